# SPDX-License-Identifier: GPL-2.0-or-later
"""The page's one style sheet: light and dark by the reader's setting, one column on a phone."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #fff; --ink: #1c1f24; --dim: #626a75; --rule: #dfe2e6; --code: #f3f4f6;
  --error: #b3161e; --error-soft: #fdeced; --warning: #8a5a00; --warning-soft: #fff5dd;
  --good: #1a7037; --note: #1f5fae; --note-soft: #eaf2fc; --name: #0b5c73; --gone: #7a3e9d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1b1e23; --ink: #e4e6ea; --dim: #99a2ae; --rule: #32373f; --code: #23272e;
    --error: #ff8a8f; --error-soft: #3a1d20; --warning: #edc068; --warning-soft: #352b15;
    --good: #74cf90; --note: #8cbcf5; --note-soft: #1b2a3d; --name: #74cbe3; --gone: #d2a5ee;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.25rem 1rem 4rem; }
h1, h2, h3, p, dl, ul, ol, figure, pre { margin: 0; }
h1 { font-size: 1.4rem; line-height: 1.3; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; line-height: 1.3; overflow-wrap: anywhere; }
h3 { font-size: 1rem; overflow-wrap: anywhere; }
h2 .dim { font-size: .9rem; font-weight: 400; white-space: nowrap; margin-left: .5rem; }
.list > h2::first-letter { text-transform: uppercase; }
a { color: var(--note); overflow-wrap: anywhere; }
code, pre, .row, table, .instruction {
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { font-size: .875rem; overflow-wrap: anywhere; unicode-bidi: isolate; }
.dim, .remark { color: var(--dim); }
header p, footer p { color: var(--dim); overflow-wrap: anywhere; }
main > * { margin-bottom: 1rem; }
article, .failures, .loose {
  background: var(--card); border: 1px solid var(--rule); border-radius: .6rem;
  padding: 1rem 1.1rem; margin: 0 0 1.25rem; display: grid; gap: .9rem;
}
article > * { min-width: 0; }
.alarm { background: var(--error-soft); border: 2px solid var(--error); border-radius: .6rem;
  padding: .5rem 1.1rem; margin: 0 0 1rem; font-weight: 600; overflow-wrap: anywhere; }
.good { color: var(--good); } .doubt, .warning { color: var(--warning); } .error { color: var(--error); }
nav ul { list-style: none; padding: 0; }
dl { display: grid; grid-template-columns: fit-content(16rem) 1fr; gap: .1rem 1rem; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.finding { border-left: 4px solid var(--note); background: var(--note-soft);
  padding: .7rem .9rem; border-radius: 0 .4rem .4rem 0; display: grid; gap: .45rem; }
.finding.of-error { border-color: var(--error); background: var(--error-soft); }
.finding.of-warning { border-color: var(--warning); background: var(--warning-soft); }
.finding h3 .dim, .finding > .more { font-size: .85rem; font-weight: 400; }
.shares td:nth-child(3), .numbers td, .numbers th { text-align: right; }
.shares td:nth-child(4) { width: 12rem; } .shares td:last-child { white-space: normal; color: var(--dim); }
.bar { display: block; height: .8rem; min-width: 1px; border-radius: .15rem; background: var(--note); }
.quote, .failure, .unread, .edge { overflow-wrap: anywhere; }
.quote { white-space: pre-wrap; }
.quote, .edge .source { font-family: ui-monospace, monospace; font-size: .875rem;
  unicode-bidi: isolate; }
.quote .dim { font-family: system-ui, sans-serif; } .title { font-weight: 600; }
.steps dd { font-family: ui-monospace, monospace; font-size: .875rem; }
summary { cursor: pointer; list-style: none; border-radius: .3rem; position: relative; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "\\25b8"; color: var(--dim); position: absolute; left: .1rem; top: .05rem; }
details[open] > summary::before { content: "\\25be"; }
summary:hover { background: var(--code); }
:focus-visible { outline: 2px solid var(--note); outline-offset: 1px; }
.account { display: grid; gap: .5rem; }
.numbers td:first-child, .numbers th:first-child, .numbers td:last-child { text-align: left; }
.part > summary { padding-left: 1.3rem; font-weight: 600; }
.part > summary .dim { font-weight: 400; font-size: .9rem; }
.body { padding: .4rem 0 .6rem 1.3rem; display: grid; gap: .6rem; }
.body > * { min-width: 0; }
.stack h3 { margin-bottom: .3rem; }
.frame { font-size: .875rem; }
.frame > .row, .frame > summary { padding-left: 1.3rem; }
.row { display: grid; grid-template-columns: 3.2rem 1.6rem minmax(0, 12fr) minmax(0, 9fr) 5.2rem;
  gap: 0 .5rem; padding: .13rem 0; }
.row > * { overflow-wrap: anywhere; }
.line { color: var(--dim); text-align: right; opacity: .8; }
.mark { font-weight: 700; color: var(--error); text-align: center; }
.name { color: var(--name); font-weight: 600; }
.all { grid-column: 3 / -1; font-weight: 400; }
.row .remark { margin-left: .6rem; font-family: system-ui, sans-serif; font-style: italic; }
.verdict { color: var(--dim); text-align: right; }
.tail-call, .indirect, .exception { color: var(--note); }
.unsure .name, .group > summary .name, .unsure .place, .unsure .mark,
.group > summary .mark { color: var(--dim); }
.unsure .name, .group > summary .name { font-weight: 400; }
.missing .name, .missing .mark { color: var(--gone); }
.missing .name { font-style: italic; }
.frame > .body { padding-left: 7.4rem; }
.group > .body { padding-left: 0; gap: 0; }
.edge { border-left: 3px solid var(--rule); padding-left: .8rem; }
figcaption { color: var(--dim); font-size: .8rem; overflow-wrap: anywhere; }
pre { background: var(--code); border-radius: .4rem; padding: .4rem 0; overflow-x: auto; font-size: .84rem;
  line-height: 1.45; tab-size: 8; }
pre span { display: block; padding: 0 .6rem; width: max-content; min-width: 100%; color: var(--dim); }
pre .here, .instruction .error { background: var(--warning-soft); color: var(--ink); font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; white-space: pre; } table, .instruction { font-size: .84rem; }
td, th { padding: .05rem .6rem .05rem 0; } td:nth-child(2) { text-align: right; }
.code { overflow-x: auto; } .instruction { white-space: pre; }
@media (max-width: 44rem) {
  main { padding: .8rem .6rem 3rem; }
  article, .failures, .loose { padding: .8rem .7rem; }
  dl { grid-template-columns: minmax(3.5rem, 6rem) minmax(0, 1fr); gap: .1rem .6rem; }
  dt { overflow-wrap: anywhere; }
  .shares td:nth-child(4) { min-width: 4rem; } .shares td:last-child { min-width: 14rem; }
  .row { grid-template-columns: 1.1rem minmax(0, 1fr) auto; padding: .3rem 0; }
  .line { display: none; }
  .row > .where { grid-column: 2 / -1; grid-row: 2; }
  .all { grid-column: 2 / -1; }
  .frame > .body { padding-left: .4rem; }
  summary { min-height: 2rem; }
}
@media print { body { background: none; } article { break-inside: auto; } }
.plots { display: grid; gap: .9rem; }
.plots > * { min-width: 0; }
.moments { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem;
  font-size: .9rem; }
.moments span { display: inline-block; height: .9rem; margin-right: .4rem; vertical-align: -.1rem; }
.mark-asked { border-left: 3px solid var(--error); }
.mark-restart { border-left: 3px dashed var(--gone); }
.plot { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem;
  padding: .6rem .8rem .3rem; }
.plot figcaption { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; font-size: .85rem; }
.plot .name { color: var(--ink); font-size: .95rem; }
.plot .most { margin-left: auto; color: var(--ink); }
.plot svg { display: block; width: 100%; height: 5.5rem; margin-top: .3rem; overflow: visible;
  border-top: 1px dotted var(--rule); border-bottom: 1px solid var(--dim); }
.plot path { fill: none; vector-effect: non-scaling-stroke; }
.plot .curve { stroke: var(--note); stroke-width: 1.3; stroke-linejoin: round; stroke-linecap: round; }
.plot.own .curve { stroke: var(--warning); }
.plot .tick { stroke: var(--rule); }
.plot .asked { stroke: var(--error); stroke-width: 2; }
.plot .restart { stroke: var(--gone); stroke-width: 2; stroke-dasharray: 4 3; }
.ticks { position: relative; height: 1.2rem; color: var(--dim); font-size: .72rem; }
.ticks span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.plot .part { font-size: .85rem; }
.plot .part > summary { font-weight: 400; color: var(--dim); }
"""

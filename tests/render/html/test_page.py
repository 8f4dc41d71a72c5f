# SPDX-License-Identifier: GPL-2.0-or-later
"""The page: well formed, complete in itself, nothing a log says becomes markup, everything is in it."""

from __future__ import annotations

from html.parser import HTMLParser

from keepsane.api import explain
from keepsane.model import (
    Edge,
    Event,
    Frame,
    Hop,
    Kernel,
    LogRecord,
    Register,
    SourceLine,
    SourceText,
    Stack,
    Task,
)
from keepsane.render.html.page import render_html
from keepsane.render.value_words import frame_name
from keepsane.report import Advice, Check, Evidence, Failure, Finding, Report, Share

LOG = """\
BUG: kernel NULL pointer dereference, address: 0000000000000080
Oops: 0000 [#1] SMP
CPU: 3 PID: 77 Comm: made-up Not tainted 6.1.0 #1
RIP: 0010:first+0x12/0x40 [widget]
Code: 90 90 <0f> 0b 90
RAX: 0000000000000000 RBX: ffff888000000000 RCX: 0000000000000001
Call Trace:
 second+0x5f/0x90 [widget]
 ? third+0x1/0x20
---[ end trace 0000000000000000 ]---
"""
HOSTILE = "<script>alert('1')</script>\"&\x1b[31mred\x1b]8;;file:///x\x07\u202egnp\x00"
_VOID = {"meta"}
_TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "article"}
_TAGS |= {"nav", "details", "summary", "figure", "figcaption", "pre", "code", "h1", "h2", "h3", "p", "div"}
_TAGS |= {"span", "dl", "dt", "dd", "ul", "ol", "li", "strong", "a", "table", "tr", "td"}
_ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "title", "open", "href"}
_ATTRIBUTES |= {"rel", "style"}


class _Page(HTMLParser):
    """Reads a page and refuses a tag closed out of turn; keeps what a reader sees and what can be opened."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.folded: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "summary":
            self.folded.append("")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "summary" in self.open:
            self.folded[-1] += data


def _frame(function: str, *, edge: Edge | None = None, text: bool = False, reliable: bool = True) -> Frame:
    quoted = SourceText(1, ("one();", "two();"), "/src/made-up.c") if text else None
    place = SourceLine(function=function, file="made-up.c", line=2, column=3, inlined=False, text=quoted)
    return Frame(
        line=7,
        function=function,
        offset_bytes=1,
        size_bytes=2,
        reliable=reliable,
        edge=edge,
        locations=(place,) if text else (),
    )


def _report(*frames: Frame, word: str = "made-up") -> Report:
    event = Event(
        kind="bug",
        title=word,
        line=1,
        last_line=9,
        task=Task(comm=word, pid=1, cpu=None),
        registers=(Register(word, 16, word),),
        stacks=(Stack(name=word, frames=frames),),
        modules=(word,),
        damage=word,
        records=(LogRecord(1, None, None, None, word),),
    )
    finding = Finding(
        rule="made-up",
        severity="error",
        confidence="low",
        title=word,
        evidence=(Evidence(1, f"quoted {word}", word), Evidence(2, "a second quote")),
        explanation=word,
        advice=(Advice(text=word, command=f"run {word}", undo="back", verify="look", risk="none"),),
        references=(word, "https://docs.example/page?a=1&b=2", "https://docs.example/ and\tmore"),
        shares=(Share(f"part {word}", 4096, word), Share("the other", 1024)),
    )
    checks = (Check("release", word, "mismatch", word), Check("release", "fine.ko", "match", word))
    return Report(
        source=word,
        kernel=Kernel(release=word, version=word),
        events=(event,),
        findings=(finding,),
        checks=checks,
        failures=(Failure(word, "why it failed"),),
        unread_lines=3,
        skipped_lines=4,
    )


def test_a_log_gives_a_well_formed_page_with_everything_in_it() -> None:
    report = explain(LOG, name="made-up.log")
    event = report.events[0]
    page = _Page(render_html(report))

    assert event.ip is not None and frame_name(event.ip) in page.text
    for frame in event.stacks[0].frames:
        assert frame_name(frame) in page.text
    for finding in report.findings:
        assert finding.title in page.text
        assert all(evidence.quote.strip() in page.text for evidence in finding.evidence)
    assert "made-up, pid 77, CPU 3" in page.text and "0x80" in page.text
    assert all(register.name in page.text for register in event.registers)


def test_hostile_text_stays_text() -> None:
    hop = Hop(kind="call", function=HOSTILE, name=HOSTILE, source=None)
    edge = Edge(verdict="direct", via=(hop,), why=HOSTILE, instruction=HOSTILE, at=HOSTILE, form=HOSTILE)
    group = Edge(verdict="stale", via=(), why="", group=HOSTILE)
    frames = (_frame(HOSTILE, edge=edge, text=True), _frame(HOSTILE, edge=group, reliable=False))
    written = render_html(_report(*frames, word=HOSTILE))
    page = _Page(written)

    assert "<script" not in written.lower()
    assert not any(character in written for character in "\x1b\x07\x00\u202e")
    assert "<script>alert('1')</script>\"&red\\u202egnp" in page.text
    assert page.tags <= _TAGS
    assert {name for name, _ in page.attributes} <= _ATTRIBUTES


def test_nothing_is_loaded_and_only_whole_addresses_are_links() -> None:
    written = render_html(_report(_frame("here")))
    page = _Page(written)

    assert "default-src 'none'; style-src 'unsafe-inline'" in [value for _, value in page.attributes]
    assert "url(" not in written and "@import" not in written
    links = [value for name, value in page.attributes if name == "href"]
    assert links == ["https://docs.example/page?a=1&b=2"]
    assert "https://docs.example/ and\tmore" in page.text


def test_a_frame_opens_to_its_source_and_its_edge() -> None:
    table = Hop(kind="table", function="callee", name="ops.write", source=None)
    edge = Edge(verdict="indirect", via=(table,), why="a call through file->f_op->write")
    page = _Page(
        render_html(_report(_frame("quoted", text=True), _frame("judged", edge=edge), _frame("bare")))
    )

    opens = " ".join(page.folded)
    assert "quoted+0x1/0x2" in opens and "judged+0x1/0x2" in opens
    assert "bare+0x1/0x2" not in opens and "bare+0x1/0x2" in page.text
    assert "two();" in page.text and "/src/made-up.c" in page.text
    assert "ops.write" in page.text and "a call through file->f_op->write" in page.text


def test_an_edge_shows_its_instruction_and_the_source_line_of_the_call() -> None:
    edge = Edge(
        verdict="indirect",
        via=(),
        why="a call through o->run",
        instruction="callq *0x8(%rdi)",
        at="outer+0x4",
    )
    page = _Page(render_html(_report(_frame("outer", edge=edge, text=True))))

    assert "outer+0x4 callq *0x8(%rdi) made-up.c:2" in page.text
    assert "outer+0x1/0x2" in " ".join(page.folded), "it opens by keyboard"


def test_what_tail_calls_removed_is_in_its_place_and_marked() -> None:
    call = Hop(kind="call", function="gone", name=None, source=None)
    jump = Hop(
        kind="jump",
        function="above",
        name=None,
        source=SourceLine(function="gone", file="gone.c", line=5, column=1, inlined=False),
    )
    edge = Edge(verdict="tail-call", via=(call, jump), why="it calls gone, which jumps on")
    text = _Page(render_html(_report(_frame("above"), _frame("below", edge=edge)))).text

    above, gone, below = (text.index(name) for name in ("above+0x1", "+gonegone.c:5:1", "below+0x1"))
    assert above < gone < below
    assert text[gone:below].count("not in the log") == 1


def test_leftovers_of_one_group_are_one_fold() -> None:
    old = Edge(verdict="stale", via=(), why="left over", group="2 frames of an earlier page fault")
    frames = [_frame(name, edge=old, reliable=False) for name in ("old_one", "old_two")]
    page = _Page(render_html(_report(_frame("new"), *frames)))

    assert [said for said in page.folded if "earlier page fault" in said] == [
        "?2 frames of an earlier page fault"
    ]
    assert "old_one+0x1/0x2" in page.text and "old_two+0x1/0x2" in page.text


def test_a_mismatch_comes_before_every_event() -> None:
    text = _Page(render_html(_report(_frame("here"), word="word"))).text

    assert text.index("MISMATCH word") < text.index("fine.ko") < text.index("here+0x1/0x2")
    assert "why it failed" in text and "3 lines inside the reports could not be read; 4 outside" in text


def test_advice_and_evidence_are_complete() -> None:
    text = _Page(render_html(_report())).text

    for said in ("quoted made-up", "a second quote", "run made-up", "back", "look", "none", "low confidence"):
        assert said in text


def test_an_empty_report_is_a_page() -> None:
    page = _Page(render_html(Report(source="empty", kernel=Kernel(), events=(), findings=())))

    assert "empty: nothing found" in page.text
    assert "kernel" not in page.text.partition("nothing found")[2].partition("Written by")[0]

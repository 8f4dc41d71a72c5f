# SPDX-License-Identifier: GPL-2.0-or-later
"""
One fact stands in one place, and no behaviour hangs on a sentence of our own.

Each search goes over the syntax of every file of src and finds a form that a double had. What it finds is
named with its line; a place that may hold the form is listed with the reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import keepsane
from keepsane.kernel.log import machinery
from keepsane.kernel.log.machinery import ENTRIES, INTERRUPT_ENTRIES, REPORTING

SRC = Path(keepsane.__path__[0])


class Source(NamedTuple):
    """A file by its path below src/keepsane, and its syntax without docstrings."""

    name: str
    tree: ast.Module


def read_source(name: str, text: str) -> Source:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
    return Source(name, tree)


Search = Callable[[Source], Iterator[int]]


class Text(NamedTuple):
    """A text of the code and its line."""

    value: str
    lineno: int


def texts(tree: ast.AST) -> Iterator[Text]:
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return (Text(node.value, node.lineno) for node in constants if isinstance(node.value, str))


def sizes(source: Source) -> Iterator[int]:
    """A number with MB, GB or TB behind it: words.size_words() says which unit, and how it is rounded."""
    yield from behind_a_number(source, r"[\s\u00a0]?[MGT]i?B\b")


def shares(source: Source) -> Iterator[int]:
    """A rounded number with a percent sign behind it: words.share_words() says how many digits."""
    yield from behind_a_number(source, r" %")


def counts(source: Source) -> Iterator[int]:
    """An s that stands where there are several: words.counted() puts it there."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.IfExp):
            ends = {ast.unparse(node.body), ast.unparse(node.orelse)}
            if ends in ({"''", "'s'"}, {"''", "'es'"}):
                yield node.lineno


def behind_a_number(source: Source, unit: str) -> Iterator[int]:
    for node in (node for node in ast.walk(source.tree) if isinstance(node, ast.JoinedStr)):
        for value, after in pairwise(node.values):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            if re.match(unit, str(after.value)) and not calls_words(value.value):
                yield node.lineno


def calls_words(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).endswith(("_words", "share_words"))


def sysctl_files(source: Source) -> Iterator[int]:
    """A file below /etc/sysctl.d that advice names: the first one wins nothing, the last one does."""
    return (text.lineno for text in texts(source.tree) if "/etc/sysctl" in text.value)


def commands(source: Source) -> Iterator[int]:
    """How a setting is set: sysctl -w NAME=VALUE, echo VALUE > FILE, and compaction by one of them."""
    form = re.compile(r"sysctl -w|echo \{\}\w? (?:\| sudo tee|>)|compact_memory")
    return (text.lineno for text in texts(source.tree) if form.search(text.value))


def settings(source: Source) -> Iterator[int]:
    """The settings that are sized from the numbers of a report or a machine, under their name."""
    names = {"vm.min_free_kbytes", "vm.watermark_scale_factor", "vm.compaction_proactiveness"}
    return (text.lineno for text in texts(source.tree) if text.value in names)


def listed_functions() -> frozenset[str]:
    """Give every function that a list of the machinery names, without the stars of its pattern."""
    listed: set[str] = set()
    for text in texts(read_source("", Path(machinery.__file__).read_text("utf-8")).tree):
        listed.update(word.strip("*") for word in re.findall(r"[\w*]{6,}", text.value) if "_" in word)
    return frozenset(listed)


def function_lists(source: Source) -> Iterator[int]:
    """A list with three functions that kernel/log/machinery.py lists too: entries, reporters, interrupts."""
    for statement in source.tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            words = {word for text in texts(statement.value) for word in re.findall(r"\w{6,}", text.value)}
            if sum("_" in word and (word in LISTED or is_machinery(word)) for word in words) >= 3:
                yield statement.lineno


def is_machinery(function: str) -> bool:
    return any(function in names for names in (REPORTING, ENTRIES, INTERRUPT_ENTRIES))


LISTED = listed_functions()


def log_lines(source: Source) -> Iterator[int]:
    """A line of a kernel log that is recognised outside of kernel/: its scanner reads every log."""
    line = re.compile(r"page allocation failure|oom-killer|\bKill|ut of [Mm]emory|Mem-Info|Call Trace")
    if source.name.startswith("kernel/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            yield from (text.lineno for text in texts(node) if line.search(text.value))
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            yield from (text.lineno for text in texts(node.left) if line.search(text.value))


OURS = frozenset({"why", "note", "lacks", "doubt", "damage", "title", "explanation", "what", "said"})
"""Fields that hold a sentence of our own. (`what` and `said` as plain names are often a kernel's word.)"""
CUTS = frozenset({"startswith", "endswith", "removeprefix", "removesuffix", "partition", "split", "find"})


def prose(source: Source) -> Iterator[int]:
    """A sentence of our own that is taken apart, searched or compared with another one."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in CUTS and is_ours(node.func.value):
                yield node.lineno
        elif isinstance(node, ast.Compare):
            searched = [one for op, one in pairs(node) if isinstance(op, ast.In | ast.NotIn) and is_ours(one)]
            # Two sentences may be compared as wholes: what is said already is not said again.
            equal = any(
                isinstance(op, ast.Eq | ast.NotEq) and not is_empty(one) and not is_ours(one)
                for op, one in pairs(node)
            )
            if searched or (equal and is_ours(node.left)):
                yield node.lineno


def pairs(node: ast.Compare) -> list[tuple[ast.cmpop, ast.expr]]:
    return list(zip(node.ops, node.comparators, strict=True))


def is_ours(value: ast.expr) -> bool:
    if isinstance(value, ast.Attribute):
        return value.attr in OURS and not (isinstance(value.value, ast.Name) and value.value.id == "self")
    return isinstance(value, ast.Name) and value.id in OURS - {"what", "said"}


def is_empty(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and not value.value


MAY: dict[Search, dict[str, str]] = {
    sizes: {"words.py": "says them"},
    shares: {"words.py": "says them"},
    counts: {"words.py": "says them"},
    sysctl_files: {"kernel/pages/advice.py": "names it"},
    commands: {
        "kernel/pages/advice.py": "gives them",
        "memory/capture/plan.py": "never reads it: compact_memory is for writing",
    },
    settings: {"kernel/pages/advice.py": "sizes them"},
    function_lists: {
        "kernel/log/machinery.py": "lists them",
        "kernel/log/kinds.py": "has the words that open a report",
        "symbols/calls/paths.py": "names what a search of ways leads around first: another question",
        "kernel/events/alloc_failure/purpose.py": "says what a function wants memory for: another fact",
        "kernel/log/architecture.py": "says which machine alone has a function: another fact",
        "kernel/log/printed_for.py": "says what a function prints a stack for: another fact",
        "kernel/events/hung_task/sorts.py": "says what each function waits for: another fact",
        "kernel/events/watchdog/stuck.py": "says what a CPU does in each: another fact",
        "kernel/events/who.py": "says who frees for others: another fact",
        "kernel/events/way_in.py": "says whose callee tells the way in: another fact",
        "kernel/events/warning/families.py": "has the words of warnings and what mends them",
        "kernel/events/panic/settings.py": "has the names of settings",
    },
    log_lines: {},
    prose: {},
}
FORMS: dict[str, tuple[Search, str]] = {
    "megabytes": (sizes, 'risk = f"{(value - now) / 1024:.0f} MB less for programs"'),
    "gigabytes": (sizes, 'return f"{mebibytes / 1024:.1f} GB" if mebibytes >= 1000 else ""'),
    "a limit": (sizes, 'raise InputError(f"{path} holds more than {MAX_KEPT_BYTES >> 20} MB of samples")'),
    "a share": (shares, 'said = f"it stood still for memory {waited:.0f} % of the time"'),
    "a rounded share": (shares, 'share = f"{round(100 * largest / whole)} % of it"'),
    "several": (counts, 'said = str(count) + " line" + ("" if count == 1 else "s")'),
    "several processes": (counts, 'said = f"killed {killed} process{{}}".format("es" if killed > 1 else "")'),
    "a file of settings": (
        sysctl_files,
        'KEEP = "; to keep it, put `{name}` into /etc/sysctl.d/60-memory.conf"',
    ),
    "another file": (sysctl_files, 'CONF = "/etc/sysctl.d/90-memory.conf"'),
    "compaction by a file": (commands, 'compact = Advice(command="echo 1 > /proc/sys/vm/compact_memory")'),
    "compaction by tee": (
        commands,
        'compact = Advice(command="echo 1 | sudo tee /proc/sys/vm/compact_memory")',
    ),
    "compaction by sysctl": (commands, 'compact = Advice(command="sysctl -w vm.compact_memory=1")'),
    "a setting": (commands, 'now = command("sysctl -w vm.min_free_kbytes={}", value)'),
    "a limit of a group": (commands, 'now = command("echo {}K | sudo tee {}", limit, file)'),
    "a limit by a file": (commands, 'now = command("echo {} > {}", limit, file)'),
    "a name of a setting": (
        settings,
        'SCALE_FACTOR, MIN_FREE = "vm.watermark_scale_factor", "vm.min_free_kbytes"',
    ),
    "entries": (function_lists, 'ENTRIES = ("asm_exc_page_fault", "ret_from_fork", "x64_sys_call")'),
    "reporters": (function_lists, '_REPORTERS = ("dump_stack", "show_stack", "show_trace")'),
    "entries in a pattern": (
        function_lists,
        '_INTERRUPT = re.compile(r"handle_softirqs|irq_exit|common_interrupt|ret_from_intr")',
    ),
    "a headline": (log_lines, '_HEAD = re.compile(r"(?P<comm>.{1,32}): page allocation failure")'),
    "a gate for it": (log_lines, 'head = _HEAD.match(line) if "page allocation failure" in line else None'),
    "a kill": (log_lines, '_KILLED = re.compile(r"\\[ *(?P<seconds>\\d+)\\].*Killed process")'),
    "one of several": (prose, 'if edge is None or edge.why.startswith("one of"): pass'),
    "what was not decoded": (prose, 'note = "" if note.startswith("not decoded") else note'),
    "its negation": (prose, 'shown = "not decoded" not in frame.note'),
    "a phrase of what is lacking": (
        prose,
        'lost = event.memory is not None and "left out" in event.memory.lacks',
    ),
    "a constant phrase": (prose, "lost = _LOST in event.memory.lacks"),
    "an exit code": (prose, "code = 2 if any(failure.what == READ_VMLINUX for failure in failures) else 0"),
    "a prefix cut off": (prose, 'said = one.why.removeprefix("cannot tell: ")'),
    "the name of a rule": (prose, 'rule = failure.what.removeprefix("rule ")'),
}
QUIET: dict[str, tuple[Search, str]] = {
    "a size in one place": (sizes, 'said = f"{size_words(free)} are free"'),
    "a size of the log": (sizes, 'said = f"would be min:{least}kB"'),
    "a size of an argument": (sizes, 'said = f"boot with cma={wanted // 1024}M"'),
    "a width of a page": (shares, 'bar = f"width:{100 * part / whole:.2f}%"'),
    "a share in one place": (shares, 'said = f"{share_words(share)} of memory"'),
    "where files of settings are": (sysctl_files, 'FOLDERS = ("etc/sysctl.d", "run/sysctl.d")'),
    "a docstring": (commands, '"""Set it by sysctl -w vm.compact_memory=1."""'),
    "reading a setting": (commands, 'look = command("sysctl {}", name)'),
    "two functions": (function_lists, 'FALSE = ("asm_exc_page_fault", "ret_from_fork")'),
    "advice on a line": (log_lines, 'verify = "the log has no further `page allocation failure`"'),
    "a line of the log": (prose, 'found = record.text.startswith("Call Trace")'),
    "no sentence at all": (prose, 'whole = event.damage == "" and not event.memory.lacks'),
    "a sentence that is said already": (prose, 'reason = "" if edge.why == frame.note else edge.why'),
    "a sentence that is said": (prose, 'said = f"{ledger.why}. {event.memory.lacks}"'),
}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_double_that_was_here_once_is_found_again(name: str) -> None:
    search, line = FORMS[name]
    assert list(search(read_source("memory/rules/planted.py", line))), line


@pytest.mark.parametrize("name", sorted(QUIET))
def test_what_only_looks_like_one_is_not(name: str) -> None:
    search, line = QUIET[name]
    assert not list(search(read_source("memory/rules/planted.py", line))), line


@pytest.mark.parametrize("search", MAY, ids=lambda search: search.__name__)
def test_no_file_holds_what_stands_elsewhere(search: Search) -> None:
    found = []
    for path in sorted(SRC.rglob("*.py")):
        source = read_source(path.relative_to(SRC).as_posix(), path.read_text("utf-8"))
        if source.name not in MAY[search]:
            found += [f"{source.name}:{line}" for line in dict.fromkeys(search(source))]
    assert not found, search.__doc__

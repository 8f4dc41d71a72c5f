# SPDX-License-Identifier: GPL-2.0-or-later
"""A log that is searched says the same as one that is read line by line, wherever its blocks end."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepsane.api import explain, explain_stream
from keepsane.kernel.log import blocks, scan, search
from keepsane.kernel.log.blocks import Blocks
from keepsane.kernel.log.input import read_log, split_lines
from keepsane.kernel.log.kinds import GATE, SEARCHED
from keepsane.kernel.log.scan import Scanner
from keepsane.model import Event, LogSummary
from tests.golden import CASES, read_case

FINDERS: dict[str, Callable[[], search.Finder | None]] = {
    "hyperscan": search.finder_by_library,
    "re": search.finder_by_pattern,
}
CRASH = (
    "[   20.100000] INFO: task widgetd:102 blocked for more than 241 seconds.\n"
    "[   20.100131]       Not tainted 6.18.0-widget #1\n"
    "[   20.100524] Call Trace:\n"
    "[   20.100655]  widget_wait+0x4e0/0xbf0\n"
    "[   20.100786]  kthread+0xd2/0x100\n"
)
OOPS = (
    "[   31.000000] BUG: kernel NULL pointer dereference, address: 0000000000000080\n"
    "[   31.000001] RIP: 0010:poke+0x12/0x40\n"
    "[   31.000002] Call Trace:\n"
    "[   31.000003]  vfs_write+0xf8/0x450\n"
    "[   31.000004] ---[ end trace 0000000000000000 ]---\n"
)
QUIET = "Jan 15 18:51:07 host CRON[812]: (root) CMD (widgetclean --older 7)\n"
Answer = tuple[tuple[Event, ...], LogSummary]


@pytest.fixture(params=FINDERS)
def _finder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search from the first line on, in either way; nothing is recognised, which is of the first lines."""
    find = FINDERS[request.param]()
    if find is None:
        pytest.skip("hyperscan is not installed")
    monkeypatch.setattr(blocks, "finder", lambda: find)
    monkeypatch.setattr(scan, "MAX_LOOKED_AT", 0)


def answer(lines: object) -> Answer:
    scanner = Scanner()
    events = tuple(scanner.events(lines))  # type: ignore[arg-type]
    return events, scanner.summary(())


def searched(log: bytes, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Answer, int]:
    """Give what is said of a log in blocks of a size, and how many lines were cut."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    source, cut = Blocks(), 0

    def counted() -> Iterator[str]:
        nonlocal cut
        for line in split_lines(source):
            cut += 1
            yield line

    source.open(io.BufferedReader(io.BytesIO(log), 16))
    return answer(blocks.Searched(counted(), source.pass_over)), cut


def line_by_line(log: bytes) -> Answer:
    return answer(iter(split_lines(io.BytesIO(log))))


LOGS = {
    "a report at the beginning": CRASH + QUIET * 90,
    "a report at the end": QUIET * 90 + CRASH,
    "the end of the last line is missing": QUIET * 90 + CRASH.rstrip("\n"),
    "one line without an end": "x" * 5000 + " BUG: unable to handle",
    "an empty log": "",
    "empty lines": "\n" * 300 + CRASH + "\n" * 300 + OOPS,
    "carriage returns": (QUIET * 90 + CRASH + QUIET * 90).replace("\n", "\r\n"),
    "a serial console": (QUIET * 90 + CRASH + QUIET * 90).replace("\n", "\r\r\n"),
    "zeros": QUIET * 90 + "\0" * 3000 + CRASH + "\0" * 500 + QUIET * 90 + OOPS,
    "letters that stand for others": QUIET * 40 + OOPS.replace("BUG: ", "BUG:\u00a0") + QUIET * 40,
    "a letter within a word": QUIET * 40 + OOPS.replace("BUG", "B\u200bUG") + QUIET * 40,
    "words of no report": (QUIET * 30 + "Jan 15 18:51:08 host java[7]: WARNING: pool is used up\n") * 9,
    "a dress that is learnt": QUIET * 50
    + "".join(f"relay-7 {number} | {line}\n" for number, line in enumerate((CRASH + OOPS).split("\n")))
    + QUIET * 300
    + "".join(f"relay-7 {number} | {line}\n" for number, line in enumerate((OOPS + CRASH).split("\n"))),
    "a caller that falls silent": CRASH.replace("] ", "][  T102] ") + QUIET * 4000 + OOPS + QUIET * 90,
    "one record cut in two": QUIET * 90
    + "".join(f"{line[:60]}\n{line[60:]}\n" for line in CRASH.split("\n"))
    + QUIET * 90,
}


@pytest.mark.usefixtures("_finder")
@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS.keys())
def test_a_log_in_blocks_is_the_same_log(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = line_by_line(log.encode())
    for block_bytes in (1, 61, 64, 700, 4096, 1 << 20):
        assert searched(log.encode(), block_bytes, monkeypatch)[0] == whole


@pytest.mark.usefixtures("_finder")
def test_words_at_every_place_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The border of two blocks goes through every letter of the report."""
    for before in range(0, 512, 3):
        log = (QUIET * 40 + "y" * before + "\n" + OOPS + QUIET * 40).encode()
        assert searched(log, 512, monkeypatch)[0] == line_by_line(log)


@pytest.mark.usefixtures("_finder")
def test_all_cases_with_much_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = [read_case(path).log for path in sorted(CASES.glob("*/*.case"))]
    log = "".join(f"{log}\n{QUIET * 120}" for log in logs if len(log) < 30_000)
    whole = log.encode("utf-8", "surrogateescape")
    plain, (found, cut) = line_by_line(whole), searched(whole, 1 << 16, monkeypatch)

    assert [event.title for event in found[0]] == [event.title for event in plain[0]]
    assert found == plain
    assert cut < whole.count(b"\n")


@pytest.mark.usefixtures("_finder")
def test_of_a_quiet_log_one_line_of_a_block_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    _, cut = searched(QUIET.encode() * 50_000, 1 << 20, monkeypatch)

    assert cut < 10


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.sampled_from([QUIET * 30, QUIET, "\n", CRASH, OOPS, *CRASH.splitlines(keepends=True)]),
            st.sampled_from(SEARCHED),
            st.text("\r\n\0\u00a0\u200b\u00d7\uff22\uff5e\u2212 [>BUG:", max_size=20),
        ),
        max_size=20,
    ),
    st.integers(1, 3000),
)
@pytest.mark.usefixtures("_finder")
def test_any_log_in_any_blocks(pieces: list[str], block_bytes: int) -> None:
    log = "".join(pieces).encode()
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert searched(log, block_bytes, monkeypatch)[0] == line_by_line(log)


@pytest.mark.parametrize("name", FINDERS)
def test_each_word_is_found_where_the_gate_finds_it(name: str) -> None:
    find = FINDERS[name]()
    if find is None:
        pytest.skip("hyperscan is not installed")
    for word in SEARCHED:
        block = f"{QUIET}and {word}\n{QUIET}".encode()
        for start in (0, len(QUIET)):
            places = [*find(block, start)]
            assert places == sorted(places)
            assert {block.count(b"\n", 0, place) for place in places} == {1}, word
    assert [*find(QUIET.encode(), 0)] == []
    assert not GATE.search(QUIET)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_says_the_same_as_its_lines(tmp_path: Path, packed: bool) -> None:
    """Behind the first lines, which show whether a log is one, and beyond a block."""
    log = (QUIET * 12_000 + CRASH + QUIET * 20_000 + OOPS + QUIET * 20_000).encode()
    path = tmp_path / "syslog"
    path.write_bytes(gzip.compress(log, 1) if packed else log)
    report = explain(read_log(str(path)), cache=False)

    assert [event.line for event in report.events] == [12_001, 32_006]
    assert report == explain(log.decode(), cache=False)
    assert [*explain_stream(read_log(str(path)), cache=False)][-1] == [
        *explain_stream(log.decode().splitlines(), cache=False)
    ][-1]


def test_a_pipe_is_heard_at_once() -> None:
    """What a program wrote so far is explained before it writes more."""
    reading, writing = os.pipe()
    source = Blocks()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as out:
        source.open(stream)
        lines = blocks.Searched(split_lines(source), source.pass_over)
        feed = threading.Thread(target=out.write, args=((QUIET * 11_000 + OOPS + QUIET * 3).encode(),))
        feed.start()
        event = next(iter(Scanner().events(lines)))
        feed.join()

    assert event.line == 11_001


def test_two_logs_are_searched_side_by_side() -> None:
    log = (QUIET * 30_000 + OOPS) * 3
    found: list[list[int]] = []

    def read() -> None:
        source = Blocks()
        source.open(io.BufferedReader(io.BytesIO(log.encode())))
        lines = blocks.Searched(split_lines(source), source.pass_over)
        found.append([event.line for event in islice(Scanner().events(lines), 3)])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [[30_001, 60_006, 90_011]] * 4

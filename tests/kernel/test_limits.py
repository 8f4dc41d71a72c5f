# SPDX-License-Identifier: GPL-2.0-or-later
"""What is kept of a log has limits, and what they kept out is said."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain, repeat

import pytest

from keepsane import api
from keepsane.api import explain, explain_stream
from keepsane.kernel.log import scan
from keepsane.kernel.log.open_block import MAX_BLOCK_BYTES
from keepsane.kernel.log.records import MAX_RECORD_CHARACTERS
from keepsane.report import Report

HEAD = "[  812.100001] BUG: kernel NULL pointer dereference, address: 0000000000000080"
LONG = "[  812.100002] RIP: 0010:" + "x" * 64_000


def said(report: Report) -> dict[str, str]:
    return {failure.what: failure.why for failure in report.failures}


def test_a_long_line_is_cut_and_that_is_said_once() -> None:
    report = explain([HEAD, LONG, LONG], cache=False)

    assert max(len(record.text) for record in report.events[0].records) < MAX_RECORD_CHARACTERS
    assert "of 2 lines only the first 4096 characters were read" in said(report)["read every line to its end"]
    (*_, last) = explain_stream([HEAD, LONG, LONG], cache=False)
    assert isinstance(last, Report)
    assert said(last) == said(report)


def test_lines_of_programs_are_not_even_looked_at() -> None:
    assert not explain(["x" * 100_000, HEAD], cache=False).failures


def test_a_long_list_of_modules_is_whole() -> None:
    names = [f"module_number_{number}" for number in range(2_000)]
    report = explain([HEAD, f"[  812.100002] Modules linked in: {' '.join(names)} crashme(OE)"], cache=False)

    assert report.events[0].modules == (*names, "crashme")
    assert not report.failures


def test_a_block_ends_where_it_takes_too_much_memory() -> None:
    (event,) = explain(chain([HEAD], repeat(LONG, 3_000))).events

    assert sum(len(record.text) for record in event.records) < MAX_BLOCK_BYTES * 2


def test_kept_reports_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_KEPT_BYTES", 20_000)
    report = explain(HEAD.replace("80", f"{number:02x}") for number in range(16, 250))

    assert 10 < len(report.events) < 60
    assert "were left out" in said(report)["keep every report"]


def test_boots_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MAX_BOOTS_WITHOUT_REPORT", 10)
    banner = "[    0.000000] Linux version 6.1.{} (me@here) (gcc 12) #1 SMP"
    lines = [line for number in range(50) for line in (banner.format(number), HEAD)[: 1 + (number == 40)]]
    report = explain(lines)

    assert len(report.boots) == 11
    assert report.boots[report.events[0].boot - 1].release == "6.1.40"
    assert "39 without a report" in said(report)["list every boot"]


def test_boots_with_reports_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MAX_BOOTS", 10)
    banner = "[    0.000000] Linux version 6.1.{} (me@here) (gcc 12) #1 SMP"
    report = explain(line for number in range(50) for line in (banner.format(number), HEAD))

    assert len(report.boots) == 10
    assert max(event.boot for event in report.events) == 10


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))
from itertools import chain, repeat
from keepsane.api import explain
from tests.kernel.test_limits import HEAD, LONG
wide = LONG.replace("x", chr(0x1F600))
lines = (chain([HEAD.replace("80", f"{number:02x}")], repeat(wide, 1000)) for number in range(16, 100))
print(len(explain(chain.from_iterable(lines)).events))
"""


def test_wide_letters_take_no_more(request: pytest.FixtureRequest) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=request.config.rootpath,
    )

    assert (int(done.stdout or 0) > 10, done.stderr) == (True, "")


@pytest.mark.parametrize(
    "front",
    ["[  OK  ] Started foo.", "[ 12 ] x", "[drm] ready ", "[FAILED] Failed x"],
)
def test_a_report_behind_what_a_program_wrote(front: str) -> None:
    head = "[   10.000001] " + HEAD.partition("] ")[2]
    (event,) = explain(front + head).events

    assert (event.kind, event.records[0].seconds) == ("null-deref", 10.000001)
    assert getattr(event, "address", None) == 0x80

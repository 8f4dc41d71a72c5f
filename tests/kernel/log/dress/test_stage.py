# SPDX-License-Identifier: GPL-2.0-or-later
"""What is taken off lines, what is not, and how long they are held back."""

from __future__ import annotations

import pytest

from keepsane.api import explain, explain_stream
from keepsane.kernel.log.dress.fronts import frame_front
from keepsane.kernel.log.dress.stage import MAX_BARE_LINES, WINDOW_LINES, Stage, split_glued
from keepsane.model import Event
from keepsane.report import Report
from tests.dressing import dressed

CRASH = [
    "widget: probing",
    "BUG: kernel NULL pointer dereference, address: 0000000000000080",
    "#PF: supervisor write access in kernel mode",
    "CPU: 2 PID: 812 Comm: frob Not tainted 6.1.0-made-up #1",
    "RIP: 0010:poke_widget+0x12/0x40 [crashme]",
    "Call Trace:",
    " outer_widget+0x45/0x60 [crashme]",
    " crash_write+0x6c/0xa0 [crashme]",
    "---[ end trace 0000000000000000 ]---",
    "widget: gone",
]


def titles(log: str) -> list[str]:
    return [event.title for event in explain(log).events]


TITLE = titles("\n".join(CRASH))


def test_the_crash_is_one() -> None:
    assert TITLE == ["NULL pointer dereference in poke_widget"]


def test_what_a_front_tells_is_kept() -> None:
    """Seconds, level and context are printk's own words, whoever wrote them down."""
    for front in ("/dev/kmsg", "dmesg -d", "a space behind the time", "journalctl -o json"):
        (event,) = explain(dressed(CRASH, front, "as it is")).events
        assert event.records[0].seconds == pytest.approx(7431.25, abs=0.1), front
    (event,) = explain(dressed(CRASH, "extended netconsole", "a mail")).events
    assert {record.caller for record in event.records} == {"C3"}
    assert {record.level for record in event.records} == {3}


def test_a_program_that_quotes_the_kernel_is_no_kernel() -> None:
    said = 'audit[812]: proctitle="grep BUG: KASAN: use-after-free in foo"'
    assert titles(f"[   12.200000] {said}\n") == []
    assert titles(f"Nov  2 22:17:00 web-3 {said}\n" * 3) == []
    assert titles(f"2025-11-02T22:17:00,431250+01:00 {said}\n" * 3) == []


def test_a_front_is_not_looked_for_in_the_log_behind_it() -> None:
    """Two files that were written one behind the other: each has its own dress."""
    first = dressed(CRASH, "/dev/kmsg", "a mail")
    behind = [line.replace("poke_widget", "poke_gadget") for line in CRASH]
    for front in ("printk", "RFC 5424", "cat -n"):
        assert titles(first + dressed(behind, front, "as it is")) == [
            *TITLE,
            TITLE[0].replace("widget", "gadget"),
        ]


FILLER = [f"usb 1-{number}: new high-speed USB device number {number} using xhci_hcd" for number in range(99)]


@pytest.mark.parametrize("quote", ["as it is", "a bar"])
@pytest.mark.parametrize("front", ["RFC 5424", "talosctl", "dmesg -H", "a first letter lost", "/dev/kmsg"])
def test_another_dress_far_behind_the_first_is_learnt(front: str, quote: str) -> None:
    """The first one is still worn by then, and its lines would hide the crash."""
    behind = [line.replace("poke_widget", "poke_gadget") for line in CRASH]
    log = dressed(CRASH + FILLER, "/dev/kmsg", "a mail") + dressed(behind, front, quote)

    assert titles(log) == [*TITLE, TITLE[0].replace("widget", "gadget")]


def test_lines_stay_in_order_where_a_dress_is_forgotten() -> None:
    """A line that was held, since it may go on, comes before those behind it."""
    log = dressed(CRASH + FILLER[:40], "journalctl -o short-unix", "as it is", 72)
    lines = [*log.splitlines(), *(f"line {number} of a program" for number in range(MAX_BARE_LINES + 60))]
    stage, given = Stage(), list[int]()
    for number, line in enumerate(lines, 1):
        given += [place for place, _ in stage.read(number, line, gated="BUG: " in line)]
    given += [place for place, _ in stage.finish()]

    assert given == sorted(given)
    assert given[-1] == len(lines)
    assert not stage.busy


def test_equal_frames_of_a_recursion_stay() -> None:
    """A slow clock gives each of them the same timestamp."""
    frames = [" recurse_widget+0x10/0x20 [crashme]"] * 5
    lines = [f"[  812.100000] {line}" for line in (*CRASH[1:6], *frames, *CRASH[7:])]
    (event,) = explain("\n".join(lines)).events
    (stack,) = [stack for stack in event.stacks if stack.frames]
    assert [frame.function for frame in stack.frames] == ["recurse_widget"] * 5 + ["crash_write"]


def test_two_messages_in_one_line() -> None:
    first, second = "[  812.100000] sd 0:0:0:0: 8352 bytes", "[  812.100001] BUG: unable to handle"
    assert list(split_glued(7, first + second)) == [(7, first), (7, second)]


@pytest.mark.parametrize("front", ["printk", "journalctl", "journalctl -o short-unix", "RFC 5424"])
def test_a_report_is_not_waited_for(front: str) -> None:
    """What is held back in a stream is bounded, and nothing is where printk's own front is known."""
    lines = dressed(CRASH * 9, front, "as it is").splitlines()
    taken = 0

    def fed() -> object:
        nonlocal taken
        for line in lines:
            taken += 1
            yield line

    first = next(iter(explain_stream(fed())))  # type: ignore[arg-type]
    assert not isinstance(first, Report)
    assert taken <= (len(CRASH) + 2 if front in {"printk", "journalctl"} else WINDOW_LINES + len(CRASH))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{}",
        '{"MESSAGE": [300, "x", -1]}',
        '{"MESSAGE": {}}',
        '{"log": "x"}',
        '{"a":' * 9000,
    ],
)
def test_what_is_no_message_goes_through(line: str) -> None:
    log = "\n".join([*CRASH[:3], line, *CRASH[3:]])
    events: tuple[Event, ...] = explain(log).events
    assert [event.title for event in events] == TITLE


def test_in_a_syslog_no_line_of_another_program_is_the_rest_of_a_long_one() -> None:
    """The kernel's lines before them have the width at which terminals cut."""
    long = "Jan 15 18:51:07 host kernel: [   19.100000] widget0: renamed the ring to ".ljust(100, "x")
    other = "Jan 15 18:51:08 host CRON[812]: (root) CMD (widgetclean --older 7)"
    report = [
        "Jan 15 18:51:09 host kernel: [   20.100000] INFO: task widgetd:102 blocked for more than 9 seconds.",
        "Jan 15 18:51:09 host kernel: [   20.100524] Call Trace:",
        "Jan 15 18:51:09 host kernel: [   20.100655]  widget_wait+0x4e0/0xbf0",
    ]
    found = explain([long, other] * 6 + report + [other], cache=False)

    assert [event.title for event in found.events] == ["task widgetd hung in widget_wait"]
    assert found.skipped_lines == 13


def test_what_another_program_says_in_words_of_the_kernels_holds_nothing_back() -> None:
    log = [f"Jan 15 18:51:07 host java[7]: WARNING: pool {number} is used up" for number in range(40)]
    stage = Stage()
    given = [[*stage.read(number, line, gated=True)] for number, line in enumerate(log, 1)]

    assert given == [[(number, line)] for number, line in enumerate(log, 1)]


def test_what_a_relay_passes_on_opens_a_report() -> None:
    said = [
        "cat invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        "CPU: 1 PID: 201 Comm: cat Not tainted 6.1.9-widget #1",
        "Call Trace:",
        " dump_stack_lvl+0x36/0x50",
        " out_of_memory+0x1ec/0x530",
        "Mem-Info:",
        "Out of memory: Killed process 230 (worker) total-vm:22788kB, anon-rss:18288kB",
    ]
    found = explain([f"Jan 15 18:51:07 host relay[12]: {line}" for line in said], cache=False)

    assert [event.kind for event in found.events] == ["oom-kill"]
    assert found.events[0].line == 1


WARNED = [
    "WARNING: CPU: 1 PID: 244 at drivers/widget/main.c:81 widget_check+0x5d/0x90 [widget]",
    "CPU: 1 PID: 244 Comm: widgetd Not tainted 6.1.9-widget #1",
    "RIP: 0010:widget_check+0x5d/0x90 [widget]",
    "Call Trace:",
    " widget_ioctl+0x9c/0x2f0 [widget]",
    "---[ end trace 0000000000000000 ]---",
]


def test_a_whole_line_may_be_as_long_as_cut_ones() -> None:
    """The second line has the 72 characters at which the first was cut."""
    whole = [f"[26813.{123456 + number}] {line}" for number, line in enumerate(WARNED)]
    cut = [whole[0][:72], whole[0][72:], *whole[1:]]
    assert len(cut[2]) == 72
    assert titles("\n".join(cut)) == titles("\n".join(whole)) == ["warning in widget_check"]


def test_a_mail_quotes_what_was_cut() -> None:
    """The first report has long lines, the second is cut at 60 characters, which the mail's marks make 62."""
    hung = ["INFO: task widgetd:102 blocked for more than 241 seconds.", "Call Trace:", *WARNED[4:5] * 2]
    said = [[f"[{at}.123456] {line}" for line in lines] for at, lines in ((26813, WARNED), (26993, hung))]
    cut = [piece for line in said[1] for piece in (line[:60], line[60:]) if piece]
    whole = titles("\n".join(said[0] + said[1]))
    assert len(whole) == 2
    assert titles("\n".join(f"> {line}" for line in said[0] + cut)) == whole


@pytest.mark.parametrize(
    ("headline", "title"),
    [
        ("CPU 0 Unable to handle kernel paging request at virtual address 00000018", "NULL pointer"),
        ("Oops: general protection fault, maybe for address 0x1: 0000 [#1] SMP", "general protection fault"),
        ("{1}[Hardware Error]: event severity: corrected", "hardware error"),
    ],
)
@pytest.mark.parametrize("front", ["dmesg -H", "dmesg -x -T"])
def test_words_before_those_that_only_a_kernel_says_are_its_own(
    headline: str, title: str, front: str
) -> None:
    lines = [headline, *CRASH[3:]] if "Hardware" not in headline else [headline] * 2
    (said,) = titles(dressed(lines, front, "as it is"))
    assert [said] == titles("\n".join(lines))
    assert said.startswith(title)


def test_what_a_cut_left_of_an_address_is_no_front() -> None:
    """Behind the cut stands the end of an address and a frame: no time, whatever its digits are."""
    frame = " #0:  (sb_writers#4){.+.+.+}, at: [<ffffffff811f70e7>] vfs_write+0xe7/0x420"
    assert frame_front(frame[45:]) == frame_front(frame[46:]) == ""
    assert frame_front("2021-07-27T14:08:04,123456+02:00 vfs_write+0xe7/0x420") != ""

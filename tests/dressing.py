# SPDX-License-Identifier: GPL-2.0-or-later
"""One log in many dresses: how tools, loggers, consoles and pages write the same lines of a kernel."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from random import Random

from keepsane.report import Report

BEGAN_SECONDS = 7431.25
_LINE = re.compile(r"\bline (\d+)")
_STAMP = re.compile(r"(?:<\d+>)?\[ *\d+\.\d+\](?: ?\[ *[TC]\d+\])? ?")


def bare(log: str) -> list[str]:
    """Give the lines of a log without the timestamps that printk put before them."""
    return [_STAMP.sub("", line, count=1) for line in log.splitlines()]


def seconds(number: int) -> str:
    """Give printk's time of a line."""
    return f"{BEGAN_SECONDS + number / 997:.6f}"


def clock(number: int) -> str:
    """Give the time of day of a line."""
    return f"22:{17 + number // 3600:02d}:{number // 60 % 60:02d}"


def _json(number: int, line: str) -> str:
    time = str(int((BEGAN_SECONDS + number / 997) * 1_000_000))
    return json.dumps({"_SOURCE_MONOTONIC_TIMESTAMP": time, "PRIORITY": "3", "MESSAGE": line})


FRONTS: dict[str, Callable[[int, str], str]] = {
    "printk": lambda number, line: f"[{seconds(number)}] {line}",
    "printk with level and caller": lambda number, line: f"<3>[ {seconds(number)}][    C3] {line}",
    "a space behind the time": lambda number, line: f"[{seconds(number)} ][    C3 ] {line}",
    "dmesg -T": lambda number, line: f"[Sun Nov  2 {clock(number)} 2025] {line}",
    "dmesg -x": lambda number, line: f"kern  :err   : [{seconds(number)}] {line}",
    "dmesg -x -T": lambda number, line: f"kern  :err   : [Sun Nov  2 {clock(number)} 2025] {line}",
    "dmesg -H": lambda number, line: f"[  +{number / 1e6:.6f}] {line}" if number else f"[Nov 2 22:17] {line}",
    "dmesg -d": lambda number, line: f"[ {seconds(number)} <    0.001003>] {line}",
    "dmesg -e": lambda number, line: f"[Nov 2 22:17] {line}" if number % 9 == 0 else f"[  +0.001003] {line}",
    "dmesg --time-format iso": lambda number, line: f"2025-11-02T{clock(number)},431250+01:00 {line}",
    "journalctl": lambda number, line: f"Nov 02 {clock(number)} web-3.example kernel: {line}",
    "journalctl, French": lambda number, line: f"févr. 02 {clock(number)} web-3 kernel: {line}",
    "journalctl, Japanese": lambda number, line: f"11月 02 {clock(number)} web-3 kernel: {line}",
    "journalctl -o short-iso": lambda number, line: f"2025-11-02T{clock(number)}+0100 web-3 kernel: {line}",
    "journalctl -o short-unix": lambda number, line: f"{1762118220 + number}.431250 web-3 kernel: {line}",
    "journalctl -o with-unit": lambda number, line: (
        f"Sun 2025-11-02 {clock(number)} CET web-3 init.scope[0]: kernel: {line}"
    ),
    "journalctl -o json": _json,
    "RFC 5424": lambda number, line: f"<3>1 2025-11-02T{clock(number)}.431Z web-3 kernel - - - {line}",
    "rsyslog": lambda number, line: f"Nov  2 {clock(number)} web-3 kernel: [{seconds(number)}] {line}",
    "a router": lambda number, line: (
        f"Sun Nov  2 {clock(number)} 2025 kern.err kernel: [{seconds(number)}] {line}"
    ),
    "/dev/kmsg": lambda number, line: f"3,{901 + number},{7431250000 + 1003 * number},-;{line}",
    "extended netconsole": lambda number, line: f"3,{901 + number},{7431250000 + number},-,caller=C3;{line}",
    "a container": lambda number, line: (
        f"2025-11-02T{clock(number)}.431250000Z stderr F [{seconds(number)}] {line}"
    ),
    "talosctl": lambda number, line: f"10.5.0.2: kern:     err: [2025-11-02T{clock(number)}.431250Z]: {line}",
    "logcat": lambda number, line: (
        f"11-02 {clock(number)}.431     0     0 E kernel  : [{seconds(number)}] {line}"
    ),
    "a serial logger": lambda number, line: f"[2025-11-02 {clock(number)}.431] [{seconds(number)}] {line}",
    "two clocks": lambda number, line: f"{clock(number)} +{number / 10:08.3f}| [{seconds(number)}] {line}",
    "colours": lambda number, line: f"\x1b[32m[{seconds(number)}] \x1b[0m\x1b[1;31m{line}\x1b[0m",
    "grep -n": lambda number, line: f"{4711 + number}:[{seconds(number)}] {line}",
    "grep -Hn": lambda number, line: f"boot/serial.log:{4711 + number}:[{seconds(number)}] {line}",
    "cat -n": lambda number, line: f"{4711 + number:6d}\t[{seconds(number)}] {line}",
    "a Qualcomm phone": lambda number, line: f"[ {seconds(number)}] (CPU:3-pid:77:widgetd) {line}",
    "a Samsung phone": lambda number, line: f"<3>[ {seconds(number)}] c3     77 (widgetd) {line}",
    "a MediaTek phone": lambda number, line: f"[ {seconds(number)}] <3>.(3)[77:widgetd]{line}",
    "a HiSilicon phone": lambda number, line: f"<3>[ {seconds(number)}s][pid:77,cpu3,widgetd]{line}",
    "a first letter lost": lambda number, line: f"{seconds(number)}] {line}",
}
"""What is written before a line."""

QUOTES: dict[str, Callable[[str], str]] = {
    "as it is": lambda line: line,
    "a mail": lambda line: f"> {line}",
    "a mail of a mail": lambda line: f"> > {line}",
    "a bar": lambda line: f"| {line}",
    "a colon": lambda line: f": {line}",
    "a star": lambda line: f" * {line}",
    "a patch": lambda line: f"+{line}",
    "indented": lambda line: f"    {line}",
    "a tab": lambda line: f"\t{line}",
    "a page": lambda line: html.escape(line) + "<br>",
    "spaces that do not break": lambda line: line.replace(" ", "\u00a0"),
    "DOS": lambda line: line + "\r",
}
"""What is written around a line."""


def dressed(lines: list[str], front: str, quote: str, width: int | None = None) -> str:
    """Write lines behind a front, cut at `width`, and quoted."""
    fronted = [FRONTS[front](number, line) for number, line in enumerate(lines)]
    cut = [piece for line in fronted for piece in (cut_at(line, width) if width else [line])]
    return "\n".join(QUOTES[quote](piece) for piece in cut) + "\n"


def cut_at(line: str, width: int) -> list[str]:
    """Cut a line as a terminal does."""
    return [line[start : start + width] for start in range(0, len(line), width)] or [""]


def any_dress(random: Random) -> tuple[str, str, int | None]:
    """Draw a front, a quote, and now and then a width."""
    width = random.choice((80, 100, 132)) if random.random() < 0.25 else None
    return random.choice(list(FRONTS)), random.choice(list(QUOTES)), width


def told(report: Report) -> list[object]:
    """
    Give what a user is told: the reports with their functions, and the findings.

    A dress may put a report at another line: that a finding names the line of one counts, and what it says
    of that report, but not the number.
    """
    places = {str(event.line): "line of a report" for event in report.events}
    events = [
        (
            event.kind,
            event.title,
            event.ip and event.ip.function,
            [(stack.name, [frame.function for frame in stack.frames]) for stack in event.stacks],
        )
        for event in report.events
    ]
    findings = [
        (finding.rule, finding.confidence, _LINE.sub(lambda at: places.get(at[1], at[0]), finding.title))
        for finding in report.findings
    ]
    return [*events, *sorted(findings)]

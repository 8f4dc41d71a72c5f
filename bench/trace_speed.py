# SPDX-License-Identifier: GPL-2.0-or-later
"""
One trace of 12 frames, from the start of the process on, with an empty cache, against the kernel's script.

Usage: python -m bench.trace_speed

Both read the same warning of the lab's 6.12 kernel (340 MB of vmlinux, its pages in memory): once without
its `Code:` lines, once with them, where decode_stacktrace.sh starts an assembler and a disassembler for each.
The script only decodes, so keepsane is asked for no more (`--no-edges`); what it takes with edges, which it
gives when nothing is said, is printed too.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import cold_seconds, explain_command, said, seconds, warm_pages
from bench.peers import decode_stacktrace, guest, lab_log
from tests.live.guests import Guest

FRAMES = 12
_FRAME = re.compile(r"\] +(\? )?[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+")


def trace(lines: list[str], *, code: bool) -> Iterator[str]:
    """The first warning of a log: its head, twelve frames of its call trace, its end; and the banner."""
    frames = 0
    yield from (line for line in lines if "Linux version" in line)
    begin = next(number for number, line in enumerate(lines) if "cut here" in line)
    for line in lines[begin:]:
        frames += bool(_FRAME.search(line))
        if (code or "Code:" not in line) and (frames <= FRAMES or not _FRAME.search(line)):
            yield line
        if "end trace" in line:
            return


def main() -> None:
    """Print the ratios."""
    kernel = guest()
    lines = lab_log(kernel, "warn").read_text(errors="replace").splitlines()
    warm_pages(kernel.vmlinux)
    for code in (False, True):
        print(
            compared(
                f"{FRAMES} frames" + (" and Code: lines" if code else ""), kernel, trace(lines, code=code)
            )
        )


def compared(name: str, kernel: Guest, lines: Iterator[str]) -> str:
    """Both programs' times for one log, without edges and with, a line each."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "trace.log"
        log.write_text("\n".join(lines) + "\n")
        theirs = min(seconds(decode_stacktrace(kernel.vmlinux, kernel.modules), stdin=log) for _ in range(3))
        command = explain_command(log, kernel.vmlinux, kernel.modules)
        ours = cold_seconds([*command, "--no-edges"], times=15)
        judged = cold_seconds(command, times=5)
    return "\n".join(
        (
            said(name, ours, "decode_stacktrace.sh", theirs),
            said(f"{name}, and edges", judged, "decode_stacktrace.sh", theirs),
        )
    )


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose code it is: modules from outside the kernel's own tree."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.log.culprit import is_machinery
from keepsane.kernel.log.module_list import LISTED, ListedModule, continues_list, listed_modules
from keepsane.kernel.log.quote import first_stack, quote_frame, some
from keepsane.model import Event, Frame, Kind
from keepsane.report import Advice, Evidence, Finding
from keepsane.shell import command

_NO_CULPRIT: frozenset[Kind] = frozenset(
    {
        "oom-kill",
        "alloc-failure",
        "task-dump",
        "backtrace",
        "panic",
        "rcu-stall",
        "netdev-watchdog",
        "mce",
        "machine-check",
        "pcie-aer",
        "irq-nobody-cared",
        "other",
    }
)


@rule("first-frame-of-out-of-tree-module", on=Event)
def first_frame_of_out_of_tree_module(event: Event) -> Iterator[Finding]:
    """
    The first code beyond the kernel's reporting path is that of an out-of-tree module.

    What it means: the function that crashed, warned or waited belongs to a module that was not built with
    this kernel. It is the first place to look, and its authors the first to ask; the kernel's own developers
    will want to see the crash without it.

    How we know: frames that only report, trap, lock or allocate are passed over; the first one left is in a
    module that `Modules linked in:` marks with `O`.

    What to do: look at that frame's source line. Then try the same without the module.

    When it is wrong: the module may be the victim: it was called with a bad argument, or used memory that
    somebody else had overwritten. So this is a note on where to look, not a verdict.
    """
    frame = _first(event)
    if event.kind in _NO_CULPRIT or frame is None or frame.module is None:
        return
    flagged = _flagged(event, frame.module)
    if isinstance(flagged, Evidence):
        yield _finding(event, frame, frame.module, flagged)
    elif flagged is None and any(flag.letter == "O" for flag in event.taint):
        raise CannotTell(
            f"a {event.kind} report lists no modules, so whether {frame.module} is out of tree is not said"
        )


def _first(event: Event) -> Frame | None:
    frames = [event.ip] if event.ip is not None and event.ip.function else []
    stack = first_stack(event)
    frames += [frame for frame in stack.frames if frame.reliable and frame.function] if stack else []
    for frame in frames:
        # A module's own functions are its code whatever they are called.
        if frame.module or not is_machinery(frame.function or ""):
            return frame
    return None


def _flagged(event: Event, module: str) -> Evidence | bool | None:
    """Quote the module's mark in the module list; False where it has no `O`, None where there is no list."""
    listing: bool | None = None
    for record in event.records:
        if record.text.lstrip().startswith(LISTED) or (listing is not None and continues_list(record.text)):
            listing = False
        elif listing is not None:
            break
        else:
            continue
        for listed in listed_modules(record.text.lstrip()):
            if listed.name == module and listed.flags:
                return _mark(record.line, listed)
    return listing


def _mark(line: int, listed: ListedModule) -> Evidence | bool:
    quote = f"{listed.name}({listed.flags})"
    return Evidence(line, quote, "O: from outside the kernel's tree") if "O" in listed.flags else False


def _finding(event: Event, frame: Frame, module: str, flagged: Evidence) -> Finding:
    executing = quote_frame(event, frame, "the first frame beyond the reporting path")
    return Finding(
        severity="note",
        confidence="medium",
        title=f"look first at {frame.function} in the out-of-tree module {module}",
        evidence=some(executing, flagged),
        explanation=f"{module} is from outside the kernel's tree, and its code comes first.",
        advice=(
            Advice(
                text=f"see whether it happens without {module}",
                command=command("sudo modprobe -r {}", module),
                undo=command("sudo modprobe {}", module),
                verify=command("lsmod no longer lists {}, and the report does not come again", module),
                risk=f"what {module} drives stops working; after a crash it may not unload until a reboot",
            ),
        ),
        references=("Documentation/admin-guide/tainted-kernels.rst",),
    )

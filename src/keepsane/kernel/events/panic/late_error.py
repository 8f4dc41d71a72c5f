# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors of the hardware that come later than what caused them, and stop the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import rule
from keepsane.kernel.events.panic.panic import Panic
from keepsane.kernel.log.quote import quote, quote_head, some
from keepsane.report import Advice, Finding

_LATE = re.compile(
    r"Asynchronous SError Interrupt|Unhandled SError|(?:CPU|Processor) context corrupt|Fatal machine check"
)
_PANIC = re.compile(r"Kernel panic")


@rule("hardware-error-came-late", on=Panic)
def hardware_error_came_late(event: Panic) -> Iterator[Finding]:
    """
    The hardware reported an error that belongs to something done before: the function shown may be innocent.

    What it means: an SError on arm64 is a write or a prefetch that a bus refused after the processor had gone
    on, and a machine check with a corrupt context may come from any access. The frames show what ran when the
    report arrived.

    How we know: the panic says which sort of report it was. Both are asynchronous by their nature.

    What to do: for an SError look at writes to devices shortly before: a device without clock or power, or
    behind a bridge that is off. For a machine check read the lines of its banks.

    When it is wrong: with error synchronisation (RAS) the function shown is often the one.
    """
    found = _LATE.match(event.reason)
    if found is None:
        return
    bus = "SError" in found[0]
    yield Finding(
        severity="error",
        confidence="medium",
        title="a bus refused an access some time before: the function shown may not be the one"
        if bus
        else "the hardware's error may belong to anything done before: its banks say more than the trace",
        evidence=some(quote(event, _PANIC, "the hardware's report") or quote_head(event)),
        explanation="The report comes after the processor has gone on.",
        advice=(
            Advice(
                text="see which devices are written to shortly before, and whether they have power"
                if bus
                else "read the lines of the banks before the panic, or ask rasdaemon"
            ),
        ),
    )

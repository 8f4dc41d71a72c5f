# SPDX-License-Identifier: GPL-2.0-or-later
"""What the caller of a failed allocation wanted the memory for, and whether it copes without."""

from __future__ import annotations

from keepsane.kernel.alloc_failure import AllocFailure
from keepsane.kernel.purpose import Purpose, gives_up_lightly, purpose_of
from keepsane.kernel.requester import frames_of_request


def purpose(event: AllocFailure) -> Purpose | None:
    """Say what the memory was wanted for, by the confirmed frames of the request."""
    return None if event.requester is None else purpose_of(frames_of_request(event.stacks), event.order)


def is_harmless(event: AllocFailure) -> bool:
    """Tell whether the caller has something else to do, by its mask or by who it is."""
    wanted = purpose(event)
    return (wanted is not None and wanted.harm == "none") or (
        event.gfp is not None and gives_up_lightly(event.gfp)
    )


def harm_in_words(event: AllocFailure) -> str:
    """
    Answer whether a failure is harmless, also where that cannot be told.

        no: that fails, and the device does not work
        cannot be told: exhaust [crashme] is not among the callers that keepsane knows
    """
    wanted = purpose(event)
    if wanted is not None and wanted.harm == "none":
        return f"yes: {wanted.without}"
    if is_harmless(event):
        return "probably: its mask says that it copes"
    if wanted is not None:
        return f"{'once, yes; often, no' if wanted.harm == 'retried' else 'no'}: {wanted.without}"
    return f"cannot be told: {harm_not_known(event)}"


def harm_not_known(event: AllocFailure) -> str:
    """Say why it cannot be told what the failure costs: who asked is not known, or not to keepsane."""
    if event.requester is None:
        return "the report does not say who asked"
    module = f" [{event.requester.module}]" if event.requester.module else ""
    said = f"{event.requester.function}{module} is not among the callers that keepsane knows"
    copes = event.gfp is not None and event.gfp.noretry
    return said + ("; __GFP_NORETRY is for those that cope" if copes else "")

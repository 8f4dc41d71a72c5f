# SPDX-License-Identifier: GPL-2.0-or-later
"""An event loop whose clock jumps to what is due next where nothing else happens: ten minutes in seconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_REAL_SECONDS = 0.0005
"""So long the network of this machine, and threads, may take before the clock jumps."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.skipped_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(min(timeout, _REAL_SECONDS))
        if not ready:
            self.skipped_seconds += max(0.0, timeout - _REAL_SECONDS)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time` is the real one, and what was skipped."""

    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return super().time() + self.selector.skipped_seconds


def run_virtually(main: Coroutine[Any, Any, _T]) -> _T:
    """Run something to its end on such a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)

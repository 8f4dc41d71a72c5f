# SPDX-License-Identifier: GPL-2.0-or-later
"""
What machines kept of their own logs over a crash (pstore), and send when they run again.

    POST /p/0123456789abcdef0123456789abcdef      the log of that boot, from the address that booted it, once
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from keepsane.database import make_private
from keepsane.listen.answer import Answer
from keepsane.listen.request import Request
from keepsane.netboot.history import History

MAX_BYTES = 1 << 20
MAX_KEPT_BYTES = 256 << 20


def posted_path(folder: Path, nonce: str) -> Path:
    """Give where the log of a boot is kept, below netboot's folder."""
    return folder / "posted" / f"{nonce}.log"


def take_post(
    request: Request, nonce: str, folder: Path, history: History, say: Callable[[str], None]
) -> Answer:
    """
    Keep what a machine sends, and answer 204; 404 where that boot is not its own, 409 the second time.

    `say` is told of a log that is kept.

    Raises HistoryError; gives 503 where it cannot be kept.
    """
    boot = history.boot_of(nonce)
    if boot is None or boot.address != request.peer:
        return Answer(status=404, body=b"404\n")
    if boot.posted_bytes is not None:
        return Answer(status=409, body=b"409\n")
    if not request.body:
        return Answer(status=400, body=b"400\n")
    try:
        _keep(posted_path(folder, boot.nonce), request.body)
    except OSError:
        return Answer(status=503, body=b"503\n")
    history.posted(boot.nonce, len(request.body))
    say(f"{boot.machine} posted the log of boot {boot.number}: keepsane netboot show {boot.number}")
    return Answer(status=204)


def _keep(path: Path, body: bytes) -> None:
    make_private(path.parent)
    half = path.with_suffix(".half")
    try:
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    _remove_oldest(path.parent)


def _remove_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in files)
    for path in files:
        if total <= MAX_KEPT_BYTES:
            return
        total -= path.stat().st_size
        path.unlink()

# SPDX-License-Identifier: GPL-2.0-or-later
"""
A machine's secret: made, written into its file, compared.

    secret = "0123456789abcdef0123456789abcdef"
"""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from pathlib import Path

_BYTES = 16


def new_secret() -> str:
    """Make one."""
    return secrets.token_hex(_BYTES)


def is_secret(said: str, secret: str) -> bool:
    """Say whether it is the machine's, in a time that tells nothing; anything is, where it has none."""
    return not secret or hmac.compare_digest(said.encode("utf-8", "replace"), secret.encode())


def add_secret(path: Path, secret: str) -> None:
    """Write it into a machine's file, which only its owner can read from then on. Raises OSError."""
    # In front: behind the head of a table it would be the table's.
    content = f'secret = "{secret}"\n'.encode() + path.read_bytes()
    real = path.resolve()
    descriptor, half = tempfile.mkstemp(dir=real.parent, prefix=f".{real.stem}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(half).replace(real)
    except BaseException:
        Path(half).unlink(missing_ok=True)
        raise

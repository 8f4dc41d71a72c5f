# SPDX-License-Identifier: GPL-2.0-or-later
"""
A machine's secret: made, written into its file, compared.

    secret = "0123456789abcdef0123456789abcdef"
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from keepsane.machine.file import read_bytes
from keepsane.machine.write import check, replace

_BYTES = 16


def new_secret() -> str:
    """Make one."""
    return secrets.token_hex(_BYTES)


def is_secret(said: str, secret: str) -> bool:
    """Say whether it is the machine's, in a time that tells nothing; anything is, where it has none."""
    return not secret or hmac.compare_digest(said.encode("utf-8", "replace"), secret.encode())


def add_secret(path: Path, secret: str) -> None:
    """
    Write it into a machine's file, which only its owner can read from then on.

    Raises InputError where that file is wrong, OutputError where it cannot be written.
    """
    before = read_bytes(path)
    # In front: behind the head of a table it would be the table's.
    after = f'secret = "{secret}"\n'.encode() + before
    check(path, after)
    replace(path, before, after, mode=0o600)

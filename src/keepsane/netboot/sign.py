# SPDX-License-Identifier: GPL-2.0-or-later
"""
A kernel signed by the command of a machine's file, for Secure Boot.

    sign = ["sbsign", "--key", "db.key", "--cert", "db.crt", "--output", "{signed}", "{kernel}"]

It runs without a shell in the folder of the file; what it writes to `{signed}` is what the machine gets.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from keepsane.errors import InputError
from keepsane.netboot.install import Gathered
from keepsane.netboot.kernel_image import HEAD_BYTES, read_image_head
from keepsane.netboot.run_limited import run_limited

SIGN_SECONDS = 60.0
_MAX_GROWTH_BYTES = 1 << 20
_PLACE = re.compile(r"\{(kernel|signed)\}")


def sign(gathered: Gathered, words: Sequence[str], folder: Path, seconds: float = SIGN_SECONDS) -> Gathered:
    """
    Sign the kernel that was gathered; its signed form goes to the scratch folder.

    Raises InputError where the command fails, hangs, or writes no kernel: with the last line that it wrote.
    """
    kernel, signed = gathered.files["kernel"].resolve(), gathered.scratch.resolve() / "kernel.signed"
    paths = {"kernel": str(kernel), "signed": str(signed)}
    try:
        run_limited(
            [_PLACE.sub(lambda found: paths[found[1]], word) for word in words], seconds, folder=folder
        )
        _refuse_other(signed, kernel.stat().st_size + _MAX_GROWTH_BYTES, words[0])
        with kernel.open("rb") as file:
            before = hashlib.file_digest(file, "sha256").hexdigest()
    except (InputError, OSError) as error:
        raise InputError(f"the kernel is not signed, and not offered: {error}") from error
    return gathered._replace(
        files={**gathered.files, "kernel": signed},
        said={**gathered.said, "signed_with": shlex.join(words), "unsigned_sha256": before},
    )


def _refuse_other(signed: Path, most_bytes: int, program: str) -> None:
    if signed.is_symlink() or not signed.is_file():
        raise InputError(f"{program} ended well, and wrote no {{signed}}")
    if signed.stat().st_size > most_bytes:
        raise InputError(f"{program} wrote more than a kernel and a signature")
    with signed.open("rb") as file:
        if read_image_head(file.read(HEAD_BYTES)) is None:
            raise InputError(f"what {program} wrote to {{signed}} is no bzImage")

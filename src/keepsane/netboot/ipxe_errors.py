# SPDX-License-Identifier: GPL-2.0-or-later
"""
What iPXE's error numbers mean where a boot fails, in a few words.

    0x7f04818f    the firmware refused the kernel: Secure Boot is on, and it is not signed

A script that boots puts the boot's id behind it, `0x7f04818f-0123456789abcdef0123456789abcdef`: without one
it was a poll that failed, and says nothing of what was booted before.
The first byte is the POSIX error, the others say where in iPXE's sources. Source: iPXE, include/errno.h and
include/ipxe/errfile.h; the whole numbers were met with iPXE of 2019 and of 2.0.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CODE = re.compile(r"(?:0x)?(?P<code>[0-9a-f]{1,8})", re.ASCII)
_FAILURE = re.compile(r"(?P<code>(?:0x)?[0-9a-f]{1,8})(?:-(?P<nonce>[0-9a-f]{32}))?", re.ASCII)
_WHOLE = {
    "7f04818f": "the firmware refused the kernel: Secure Boot is on, and it is not signed",
    "2e008081": "what came is no kernel for this machine, or Secure Boot is on and it is not signed",
    "4c0c6035": "this server sent nothing for two minutes",
    "1d0c6239": "the connection broke in the middle of a file",
    "1d0c6539": "this server had an error",
    "1d0c6439": "this server has no such file any more",
}
_POSIX = {
    "02": "it is not permitted",
    "0b": "it was interrupted with Ctrl-C",
    "0f": "this server refused the connection",
    "1d": "the transfer failed",
    "28": "the network could not be reached",
    "2d": "this server has no such file",
    "2e": "what came is no kernel for this machine, or its image is damaged",
    "31": "there is too little memory for the kernel and its initrd",
    "46": "the kernel asks for memory that this machine has not",
    "4c": "this server did not answer in time",
}

_OF_TRANSFER = ("0b", "0f", "1d", "28", "4c")
"""What goes wrong on the network, or is ended by a key: the files are as good as before."""


class Failure(NamedTuple):
    """What a machine says went wrong: iPXE's number, and the boot's id, "" where it was no boot."""

    code: str
    nonce: str


def read_failure(said: str) -> Failure | None:
    """Read what a machine sent, None where it is no failure: only hex digits, `x` and one `-` are."""
    found = _FAILURE.fullmatch(said.lower())
    return None if found is None else Failure(found["code"], found["nonce"] or "")


def is_of_transfer(said: str) -> bool:
    """Say whether the number that a machine sent tells of lost bytes, and not of what they were."""
    found = _CODE.fullmatch(said.lower())
    return found is not None and found["code"].rjust(8, "0")[:2] in _OF_TRANSFER


def meaning(said: str) -> str | None:
    """Say what the number means that a machine sent; None where it sent none."""
    found = _CODE.fullmatch(said.lower())
    if found is None:
        return None
    code = found["code"].rjust(8, "0")
    words = _WHOLE.get(code) or _POSIX.get(code[:2]) or "iPXE could not go on"
    return f"{words} (https://ipxe.org/{code})"

# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rust code in the kernel panicked.

    rust_kernel: panicked at drivers/crashme/widget.rs:77:13:
    attempt to subtract with overflow
    kernel BUG at rust/helpers/bug.c:7!

Source: rust/kernel/lib.rs, panic(). Before 6.6 one line: `panicked at 'message', file:line:col`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RustPanic(Event):
    """Rust code at `file`, `source_line` and `column` gave up with `message`."""

    file: str | None = None
    source_line: int | None = None
    column: int | None = None
    message: str | None = None


HEAD = re.compile(
    r"rust_kernel: panicked at (?:'(?P<message>[^']{1,500})', )?(?P<file>[^\s:']{1,255}):"
    r"(?P<source_line>\d{1,7}):(?P<column>\d{1,7})"
)
_NO_MESSAGE = re.compile(r"\s*+$|-{5,}|kernel BUG at|CPU:")


def _message(block: Block) -> str | None:
    if block.head["message"]:
        return block.head["message"]
    following = next((record.text for record in block.records if record.line > block.head_record.line), "")
    return None if _NO_MESSAGE.match(following) else following.strip()[:500]


def parse_rust(block: Block) -> RustPanic | None:
    """
    Read a panic of Rust code.

    Accepted format:
        rust_kernel: panicked at drivers/crashme/widget.rs:77:13:
        attempt to subtract with overflow
    """
    message = _message(block)
    place = f"{block.head['file']}:{block.head['source_line']}"
    title = titled(f"Rust panic: {message or 'no message'} at {place}", culprit(block.body, ip=False))
    return build(RustPanic, block, "rust-panic", title, needs_end=True, message=message)


# dmesg prints the second line of a message without a stamp, like what programs write to the console; so the
# words with which Rust's own library panics tell that it is the kernel's.
_OWN = re.compile(
    r"called `\w{1,20}::\w{1,40}\(\)` on an? `|attempt to \w{1,20} |assertion (?:`|failed)"
    r"|index out of bounds|(?:range|slice) (?:start |end )?index |explicit panic"
    r"|not (?:yet )?implemented|internal error: entered|already (?:mutably )?borrowed|byte index \d"
)
OPENINGS = (Opening("rust-panic", HEAD, parse_rust, rank=PRELUDE, own=_OWN),)

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

from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, damage_of
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
    function = culprit(block.body, ip=False)
    where = f" in {function}" if function else ""
    return build(
        RustPanic,
        block,
        "rust-panic",
        f"Rust panic: {message or 'no message'} at {block.head['file']}:{block.head['source_line']}{where}",
        damage=damage_of(block, needs_end=True),
        file=block.head["file"],
        source_line=int(block.head["source_line"]),
        column=int(block.head["column"]),
        message=message,
    )


OPENINGS = (Opening("rust-panic", "rust_kernel: panicked", HEAD, parse_rust, rank=PRELUDE),)

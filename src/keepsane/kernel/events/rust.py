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
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.kernel.log.quote import quote_match, some
from keepsane.model import Event
from keepsane.report import Advice, Finding


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
    following = next((record.text for record in block.behind_head), "")
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


_MEANT = (
    (re.compile(r"attempt to (?:add|subtract|multiply|negate|shift)"), "a number left the range of its type"),
    (re.compile(r"attempt to (?:divide|calculate)"), "a division by zero, or one that overflows"),
    (
        re.compile(r"called `Option::(?:unwrap|expect)"),
        "a value was taken for granted that is not there (None)",
    ),
    (re.compile(r"called `Result::(?:unwrap|expect)"), "an error was taken for impossible and came (Err)"),
    (
        re.compile(r"index out of bounds|(?:range|slice) (?:start |end )?index"),
        "an index is beyond its slice",
    ),
    (re.compile(r"already (?:mutably )?borrowed"), "something was borrowed that is in use elsewhere"),
    (re.compile(r"assertion|internal error: entered"), "the code found its own assumption broken"),
)


@rule("rust-check-failed", on=RustPanic)
def rust_check_failed(event: RustPanic) -> Iterator[Finding]:
    """
    A check that Rust makes by itself, or that the code asked for, found an error before it did harm.

    What it means: an index, a sum or an `unwrap()` was wrong. Nothing was overwritten: the code stopped
    before. In the kernel that ends the task by a BUG.

    How we know: the message is that of Rust's own library, which says which check it was; with file, line
    and column.

    What to do: look at the line named: handle the case there (checked_sub(), `?` instead of `unwrap()`), and
    see where the value comes from.

    When it is wrong: the value may have been made wrong long before, also by C code.
    """
    meant = next((words for form, words in _MEANT if event.message and form.match(event.message)), None)
    if meant is None or event.file is None:
        return
    yield Finding(
        severity="error",
        confidence="high",
        title=f"{meant}, at {event.file}:{event.source_line}",
        evidence=some(quote_match(event, HEAD, "where")),
        explanation="Rust's own check stopped it before memory was touched; the kernel makes a BUG of it.",
        advice=(Advice(text=f"handle this case at {event.file}:{event.source_line}, column {event.column}"),),
    )

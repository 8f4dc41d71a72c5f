# SPDX-License-Identifier: GPL-2.0-or-later
"""Pointers whose bytes are letters: text was written where a pointer should lie."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.log.culprit import where
from keepsane.kernel.log.quote import quote_head, quote_register, some
from keepsane.kernel.log.registers import fill
from keepsane.kernel.log.trap_address import member_words, pointer_of
from keepsane.report import Finding

_FAULTS = ("general-protection", "page-fault")
_BIG_ENDIAN = frozenset({"s390", "sparc", "parisc", "mips"})
_POINTER_BYTES = 8
_NARROW = frozenset({"i386", "arm"})
_LETTERS = 3
"""Four bytes are text only where so many are letters: a good user address is often printable."""
_DISTINCT = 3


@rule("text-used-as-pointer", on=Oops)
def text_used_as_pointer(event: Oops, *, at_least_bytes: int = 7) -> Iterator[Finding]:
    """
    A pointer is made of letters: text lay where a pointer was read.

    What it means: 0x746e656d75636f64 is `document` in memory. Text was copied over the structure that holds
    the pointer, the structure lies in memory that was freed and now holds text, or a buffer of text was taken
    for a structure.

    How we know: all bytes of the pointer are printable. The pointer is the register that the instruction
    followed, or else the address that faulted, which a member's offset may have changed in its first letters.

    What to do: look for that text: a name, a path, a key of a configuration tells whose buffer it was. Then
    look for a copy without a limit into the object or its neighbour; KASAN names both.

    When it is wrong: a random or encrypted number may be printable by chance, which is rare with eight bytes.
    Therefore never more than medium confidence, and low where only the address is known. The four bytes of a
    32-bit machine count only where nearly all are letters, and with low confidence.
    """
    if event.kind not in _FAULTS or event.arch in _BIG_ENDIAN:
        return
    pointer = pointer_of(event, event.address)
    register = pointer.base if pointer else None
    value = register.value if register else event.address
    if value is None:
        if not event.registers:
            raise CannotTell("the report has neither the address that faulted nor its registers")
        return
    narrow = event.arch in _NARROW
    text = _narrow_text(value) if narrow else _text(value, at_least_bytes)
    if text is None:
        return
    digits = 10 if narrow else 18
    held = f"{value:#0{digits}x}: in memory these bytes are `{text}`"
    source = f"Register {register.name}" if register else "The address that faulted"
    yield Finding(
        severity="error",
        confidence="medium" if register and not narrow else "low",
        title=f"text was used as a pointer{where(event)}: `{text}`",
        evidence=some(
            quote_head(event, "the address that faulted" if event.address is not None else ""),
            quote_register(event, register, "letters as a pointer"),
        ),
        explanation=f"{source} is {held}.{member_words(event)}",
    )


def _narrow_text(value: int) -> str | None:
    text = _text(value, 4) if value < 1 << 31 else None
    plain = (text or "").translate(str.maketrans("_-./", "0000"))
    return text if plain.isalnum() and sum(map(str.isalpha, plain)) >= _LETTERS else None


def _text(value: int, at_least_bytes: int) -> str | None:
    """Give a number as the text that its bytes are in memory; None where they are none, or a fill pattern."""
    if value >= 1 << 63 or fill(value):
        return None
    data = value.to_bytes(_POINTER_BYTES, "little").rstrip(b"\0")
    printable = all(0x20 <= byte <= 0x7E for byte in data)
    if not printable or len(data) < at_least_bytes or len(set(data)) < _DISTINCT:
        return None
    return data.decode("ascii")

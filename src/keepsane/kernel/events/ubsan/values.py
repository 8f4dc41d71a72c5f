# SPDX-License-Identifier: GPL-2.0-or-later
"""What the values that UBSAN prints mean: an index and its array, a shift, an overflow, a value of a type."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.ubsan.report import Ubsan
from keepsane.kernel.log.quote import quote, quote_head, quote_line, some
from keepsane.report import Advice, Confidence, Evidence, Finding

_INDEX = re.compile(
    r"index (?P<index>-?\d{1,20}) is out of range for type "
    r"'(?P<type>[^'\[]{1,120}?) ?\[(?P<size>\d{0,12}|\*)\]"
)
_SHIFT_NEGATIVE = re.compile(r"shift exponent (?P<by>-\d{1,20}) is negative")
_SHIFT_LARGE = re.compile(
    r"shift exponent (?P<by>\d{1,20}) is too large for (?P<bits>\d{1,4})-bit type '(?P<type>[^']{1,80})'"
)
_SHIFT_LEFT = re.compile(
    r"left shift of (?:negative value )?(?P<value>-?\d{1,40})(?: by (?P<by>\d{1,6}) places cannot)?"
)
_SUM = re.compile(
    r"(?:(?:un)?signed integer overflow:\s*)?(?P<sum>-?\d{1,40} [*+/-] -?\d{1,40}) "
    r"cannot be represented in type '(?P<type>[^']{1,80})'"
)
_VALUE = re.compile(r"load of value (?P<value>\w{1,20}) is not a valid value for type '(?P<type>[^']{1,80})'")
_ALIGNED = re.compile(
    r"(?P<how>.{0,80}?) (?:of )?misaligned address (?P<address>\w{1,20}) for type '(?P<type>[^']{1,80})'"
)
_NULL = re.compile(r"(?P<how>.{0,80}?) (?:of|within|on) null pointer")
_DIVISION = re.compile(r"division (?:by zero|of -?\d{1,40} by -1)")
_ROOM = re.compile(
    r"(?:load|store|member access|reference binding) .{0,60}?(?:of|to|within) address (?P<at>\w{1,20}) "
    r"with insufficient space for an object of type '(?P<type>[^']{1,80})'"
)
_TOO_SMALL = "The pointer leads into a smaller object, or near the end of one."
_HEAD = re.compile(r"UBSAN: ")
_OUT_OF_TREE = re.compile(r"/var/lib/dkms/(?P<name>[\w.+-]{1,80})/")
_OLD_ARRAY = frozenset({"0", "1"})


@rule("array-index-beyond-declaration", on=Ubsan)
def array_index_beyond_declaration(event: Ubsan) -> Iterator[Finding]:
    """
    An array was indexed beyond the size it is declared with.

    What it means: the declared size and the index are both in the report. An array declared as `[1]` or `[0]`
    at the end of a structure is the old way to say that more follows: there the memory is mostly allocated,
    nothing is overwritten, and the declaration is to be changed to `[]`. With any other size the access went
    beyond the array, into the members behind it or out of the object.

    How we know: UBSAN prints the index and the array's type with its declared size.

    What to do: for `[0]` and `[1]` look at how the structure is allocated; where the size is counted in, make
    the member a flexible array. Otherwise find where the index comes from and check it there.

    When it is wrong: an array of one element may really have only one. Then the access is a fault as well.
    """
    found = _INDEX.match(event.message or "")
    if found is None:
        if "index" in event.bug and event.message is None:
            raise CannotTell("the report does not show the index and the type")
        return
    size, index = found["size"], int(found["index"])
    old = size in _OLD_ARRAY and index >= 0
    yield Finding(
        severity="note" if old else "error",
        confidence="medium" if old else "high",
        title=_index_title(found["type"], size, index, old=old),
        evidence=some(quote(event, _HEAD, "where"), quote(event, _INDEX, "the index and the declared array")),
        explanation=_OLD if old else _beyond(size, index),
        advice=(Advice(text="declare the member as [] if the size is counted in where it is allocated"),)
        if old
        else (Advice(text="find where the index comes from, and check it there"),),
        references=("Documentation/process/deprecated.rst, Zero-length and one-element arrays",),
    )


_OLD = (
    "Such an array mostly stands at the end of a structure that is allocated longer: then nothing is"
    " overwritten, and the declaration is only out of date."
)


def _index_title(kind: str, size: str, index: int, *, old: bool) -> str:
    if old:
        return f"element {index} of an array declared {kind}[{size}]: probably an old flexible array"
    return f"element {index} of an array declared {kind}[{size}]"


def _beyond(size: str, index: int) -> str:
    if index < 0:
        return "The index is negative: the access was before the array."
    if size.isdigit() and index == int(size):
        return (
            f"The last element is {int(size) - 1}: it is one too far, as of a loop that runs once too often."
        )
    return (
        f"The array ends {index - int(size) + 1} elements before."
        if size.isdigit()
        else "It is beyond the end."
    )


@rule("values-of-undefined-operation", on=Ubsan)
def values_of_undefined_operation(event: Ubsan) -> Iterator[Finding]:
    """
    The values of a shift, a sum, a load or an access that C leaves undefined.

    What it means: a shift by a negative number or by as many bits as the type has mostly comes from a size or
    order that was not checked. A signed sum wraps around in the kernel (-fno-strict-overflow) and is
    only wrong where the result is used as if it had not. A value that its type does not have was never
    written, or was overwritten. A misaligned access works on x86 and arm64, and costs time elsewhere.

    How we know: UBSAN prints the operands and the type.

    What to do: find where the operand comes from; where it is read from a device, a file or a packet it must
    be checked.

    When it is wrong: hashes, random numbers and clocks overflow on purpose.
    """
    said = _told(event.message or "")
    if said is None:
        return
    title, why, confidence = said
    yield Finding(
        severity="warning",
        confidence=confidence,
        title=title,
        evidence=some(quote(event, _HEAD, "where") or quote_head(event), _message_line(event)),
        explanation=why,
        references=("Documentation/dev-tools/ubsan.rst",),
    )


def _message_line(event: Ubsan) -> Evidence | None:
    line = next((record.line for record in event.records if record.text.strip() == event.message), None)
    return quote_line(event, line) if line is not None else None


def _told(message: str) -> tuple[str, str, Confidence] | None:
    """Say what the values of a message mean; None for a message of no known form."""
    if found := _SHIFT_NEGATIVE.match(message):
        return (
            f"a shift by {found['by']}",
            "No shift goes by a negative number: its count was not checked.",
            "high",
        )
    if found := _SHIFT_LARGE.match(message):
        wide = f"a shift by {found['by']} of a type of {found['bits']} bits ('{found['type']}')"
        return wide, "The count was not checked; what comes of it differs between processors.", "high"
    if found := _SUM.match(message):
        return f"{found['sum']} does not fit into '{found['type']}'", _WRAPS, "medium"
    if found := _VALUE.match(message):
        title = f"'{found['type']}' cannot hold {found['value']}"
        return title, "The variable was never written, or something wrote over it.", "high"
    return _of_pointer(message)


_WRAPS = (
    "The kernel is built so that it wraps around: it matters where the result is used as a size or a time."
)


def _of_pointer(message: str) -> tuple[str, str, Confidence] | None:
    if found := _NULL.match(message):
        return f"{found['how']} of NULL", "The pointer was not checked; the access itself follows.", "high"
    if found := _ALIGNED.match(message):
        why = "x86 and arm64 do it all the same; other processors are slow or trap."
        return f"{found['how']} at {found['address']}, no address of a '{found['type']}'", why, "high"
    if found := _DIVISION.match(message):
        return found[0], "The divisor was not checked; on x86 the processor stops at it.", "high"
    if found := _ROOM.match(message):
        return f"the object at {found['at']} is too small for a '{found['type']}'", _TOO_SMALL, "medium"
    if found := _SHIFT_LEFT.match(message):
        by = f" by {found['by']}" if found["by"] else ""
        return f"{found['value']} shifted left{by} does not fit", "A sign bit was shifted into.", "medium"
    return None


@rule("undefined-operation-out-of-tree", on=Ubsan)
def undefined_operation_out_of_tree(event: Ubsan) -> Iterator[Finding]:
    """
    The file of the undefined operation is that of an out-of-tree module.

    What it means: the code was built on this machine (DKMS) from sources that do not belong to the kernel.
    Its authors are the ones to tell; mostly a newer version is clean already.

    How we know: the path of the file is one in which DKMS builds: `/var/lib/dkms/NAME/VERSION/build/`.

    What to do: update the package that brings the module, and report what is left there.

    When it is wrong: a kernel may be built from a path of any name.
    """
    found = _OUT_OF_TREE.search(event.file or "")
    if found is None:
        return
    yield Finding(
        severity="note",
        confidence="high",
        title=f"the code belongs to the out-of-tree module {found['name']}",
        evidence=some(quote(event, _HEAD, "its path") or quote_head(event)),
        explanation="It was built by DKMS, and is no part of the kernel.",
        advice=(Advice(text=f"update {found['name']}, or report it to those who make it"),),
        references=("Documentation/admin-guide/tainted-kernels.rst",),
    )

# SPDX-License-Identifier: GPL-2.0-or-later
"""
A frame as the log prints it to the address in a binary that must be looked up.

A return address stands behind its call, which may be the last instruction of the function or of the line: it
is looked up at one less. The kernel does the same for the name it prints, kernel/kallsyms.c,
sprint_backtrace().
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from keepsane.model import Frame, SourceLine
from keepsane.symbols.binary.dwarf import Chain
from keepsane.symbols.binary.image import Image
from keepsane.symbols.binary.symtab import Symbol
from keepsane.symbols.lines.names import padded_function, padding_words, remark, without_lto_suffix

Symbols = Mapping[str, tuple[Symbol, ...]]
"""The functions of each name, as Image.symbols() gives them."""

_KASLR_STEP = 4096
_AT_END = "at the end of the function: behind a call that does not return, or a pointer to what follows"


class Place(NamedTuple):
    """
    Where to look a frame up: `address` as it stands, None where it cannot be said, and `note` says why.

    `rivals` are the starts of functions that share the name and fit equally well.
    """

    address: int | None
    note: str = ""
    rivals: tuple[int, ...] = ()


def names_asked(frames: Iterable[Frame]) -> set[str]:
    """Collect the names whose functions must be known before the frames can be placed."""
    names: set[str] = set()
    for frame in frames:
        if frame.function is not None:
            names |= {frame.function, without_lto_suffix(frame.function)}
            padded = padded_function(frame.function)
            names |= {padded} if padded else set()
    return names


def place(frame: Frame, symbols: Symbols, file: str) -> Place:
    """
    Find the address of a frame that names a function; `file` is how a note calls the binary.

    Of several functions with the name the size decides, and where it cannot, nothing is chosen.
    """
    function = frame.function or ""
    offset_bytes, size_bytes = frame.offset_bytes or 0, frame.size_bytes
    if size_bytes is not None and offset_bytes > size_bytes:
        return Place(None, f"the offset {offset_bytes:#x} lies outside the function's {size_bytes:#x} bytes")
    candidates = symbols.get(function) or symbols.get(without_lto_suffix(function)) or ()
    if not candidates:
        return Place(None, f"{file} has no function {function}")
    fitting = [symbol for symbol in candidates if fits(symbol, size_bytes)]
    if not fitting:
        sizes = " or ".join(sorted({f"{symbol.size_bytes:#x}" for symbol in candidates}))
        return Place(
            None, f"the log says {function} has {size_bytes or 0:#x} bytes, in {file} it has {sizes}"
        )
    padded = padded_function(function)
    if padded:
        return _place_of_padding(fitting, symbols.get(padded, ()), padded)
    if len(fitting) > 1:
        return Place(
            None, f"ambiguous: {len(fitting)} functions of this name", tuple(s.address for s in fitting)
        )
    at_end = _AT_END if offset_bytes and offset_bytes == size_bytes else ""
    return Place(looked_up(frame, fitting[0].address), remark(function) or at_end)


def fits(symbol: Symbol, size_bytes: int | None) -> bool:
    """Say whether the kernel may have printed this size for the function; an unknown size fits."""
    if size_bytes is None or symbol.size_bytes == size_bytes:
        return True
    return not symbol.exact and symbol.size_bytes < size_bytes


def looked_up(frame: Frame, start: int) -> int:
    """
    Give the address to look a frame of the function at `start` up at.

    An ip stands as it is, a return address at one less; offset 0 is never decremented, and an offset equal
    to the size belongs to the function named.
    """
    offset_bytes = frame.offset_bytes or 0
    behind = frame.role == "return" or offset_bytes == frame.size_bytes
    return start + offset_bytes - (1 if behind and offset_bytes else 0)


def _place_of_padding(padding: Sequence[Symbol], functions: Sequence[Symbol], name: str) -> Place:
    ends = {symbol.address + symbol.size_bytes for symbol in padding}
    starts = [symbol.address for symbol in functions if symbol.address in ends]
    note = padding_words(name)
    if len(starts) == 1:
        return Place(starts[0], note)
    return Place(
        None, note if not starts else f"ambiguous: {len(starts)} functions of this name", tuple(starts)
    )


def kaslr_offset_bytes(frames: Iterable[Frame], symbols: Symbols) -> int | None:
    """
    Work out what KASLR added, from the addresses that the log prints beside the names of vmlinux functions.

    Most such frames must agree; None where no frame has both, or where they contradict each other.
    """
    offsets: Counter[int] = Counter()
    for frame in frames:
        if frame.address is None or frame.function is None or frame.module is not None:
            continue
        fitting = [symbol for symbol in symbols.get(frame.function, ()) if fits(symbol, frame.size_bytes)]
        if len(fitting) == 1:
            offsets[frame.address - fitting[0].address - (frame.offset_bytes or 0)] += 1
    if not offsets:
        return None
    (offset_bytes, times) = offsets.most_common(1)[0]
    return offset_bytes if offset_bytes % _KASLR_STEP == 0 and times * 2 > offsets.total() else None


class Decoded(NamedTuple):
    """
    What became of a frame: its lines, innermost first, and a note where there is something to say.

    `file_unused` where nothing of its binary is decoded.
    """

    locations: tuple[SourceLine, ...]
    note: str
    file_unused: bool = False


def decode_frames(image: Image, frames: Sequence[Frame], offset_bytes: int | None) -> dict[Frame, Decoded]:
    """
    Decode frames of one binary; `offset_bytes` is what KASLR added, None where the log does not say it.

    Raises MissingExtraError without drgn and SymbolError where the file has no symbols or no DWARF.
    """
    symbols = image.symbols(names_asked(frames))
    places = {frame: place(frame, symbols, image.path.name) for frame in frames if frame.function is not None}
    places |= _place_bare(
        image, [frame for frame in frames if frame.function is None], frames, symbols, offset_bytes
    )
    asked = {
        address
        for place in places.values()
        for address in (place.address, *place.rivals)
        if address is not None
    }
    chains = image.locate(asked)
    return {frame: _decoded(place, chains) for frame, place in places.items()}


def _place_bare(
    image: Image, bare: Sequence[Frame], frames: Sequence[Frame], symbols: Symbols, offset_bytes: int | None
) -> dict[Frame, Place]:
    if not bare:
        return {}
    if image.is_module:
        return {
            frame: Place(None, "an address without a name, and no load address of the module")
            for frame in bare
        }
    added = kaslr_offset_bytes(frames, symbols) if offset_bytes is None else offset_bytes
    linked = {frame: (frame.address or 0) - (added or 0) for frame in bare}
    # A return address may stand behind the last instruction of its function.
    asked = {frame: address - (frame.role == "return") for frame, address in linked.items()}
    around = image.containing(asked.values())
    doubt = "" if added is not None else ", if KASLR added nothing: the log does not say"
    return {
        frame: _bare_place(asked[frame], linked[frame], around.get(asked[frame]), image.path.name, doubt)
        for frame in bare
    }


def _bare_place(asked: int, linked: int, symbol: Symbol | None, file: str, doubt: str) -> Place:
    if symbol is None:
        return Place(None, f"no function of {file} is at this address{doubt}")
    address = max(asked, symbol.address)
    return Place(address, f"{symbol.name}+{linked - symbol.address:#x}/{symbol.size_bytes:#x}{doubt}")


def _decoded(one: Place, chains: Mapping[int, Chain]) -> Decoded:
    if one.rivals:
        starts = [chains[rival][-1] for rival in one.rivals if chains[rival]]
        said = ", ".join(f"{line.file}:{line.line}" for line in starts)
        return Decoded((), f"{one.note}, at {said}" if said else one.note)
    if one.address is None:
        return Decoded((), one.note)
    chain = chains[one.address]
    return Decoded(chain, one.note if chain else "; ".join(filter(None, (one.note, "no line information"))))

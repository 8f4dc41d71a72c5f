# SPDX-License-Identifier: GPL-2.0-or-later
"""
`Code:` lines as evidence that a file is the one the log speaks of.

    refcount_warn_saturate+0x97 (line 352): 54 of 64 bytes equal, 10 where the kernel changes itself
"""

from __future__ import annotations

from collections.abc import Iterable

from keepsane.report import Check, Outcome
from keepsane.symbols.binary.image import Image
from keepsane.symbols.binary.symtab import Symbol, SymbolTable, read_symbols
from keepsane.symbols.code.patch_tables import PatchTables, read_patch_tables
from keepsane.symbols.identity.codematch import CodeMatch, match_code
from keepsane.symbols.identity.printed import Facts, PrintedCode
from keepsane.symbols.lines.locate import fits

_LEAST_BYTES = 16
_BREAKPOINT = 0xCC


def check_codes(facts: Facts, image: Image) -> list[Check]:
    """
    Compare every `Code:` line of the log with the file, one Check for each.

    A single flipped bit or a breakpoint is said, and is no mismatch. Raises SymbolError where the file has
    no symbol table.
    """
    if not facts.codes:
        return [Check("Code: bytes", str(image.path), "not possible", "the log has no Code: line of it")]
    table = image.table or read_symbols(image.elf)
    patches = read_patch_tables(image.elf, table)
    return [_check_code(printed, facts, image, table, patches) for printed in _distinct_codes(facts.codes)]


def _distinct_codes(codes: Iterable[PrintedCode]) -> list[PrintedCode]:
    return list({(code.function, code.offset_bytes, code.code.data): code for code in codes}.values())


def _check_code(
    printed: PrintedCode, facts: Facts, image: Image, table: SymbolTable, patches: PatchTables
) -> Check:
    place = f"{printed.function}+{printed.offset_bytes:#x} (line {printed.code.line})"
    symbols = image.symbols({printed.function}).get(printed.function, ())
    matches = [
        found
        for symbol in [symbol for symbol in symbols if fits(symbol, printed.size_bytes)] or symbols
        if (found := _match(printed, symbol, facts, image, table, patches)) is not None
    ]
    best = min(matches, key=lambda found: len(found.different), default=None)
    outcome, said = _code_outcome(best, patches)
    return Check("Code: bytes", str(image.path), outcome, f"{place}: {said}")


def _match(
    printed: PrintedCode, symbol: Symbol, facts: Facts, image: Image, table: SymbolTable, patches: PatchTables
) -> CodeMatch | None:
    address = symbol.address + printed.offset_bytes
    return match_code(image.elf, table, patches, printed.code, address, facts.offset_bytes)


def _code_outcome(found: CodeMatch | None, patches: PatchTables) -> tuple[Outcome, str]:
    if found is None:
        return "not possible", "the file has no bytes there"
    total = found.equal_bytes + found.changed_bytes + len(found.different) + len(found.unpredicted)
    said = f"{found.equal_bytes} of {total} bytes equal"
    if found.changed_bytes:
        said += f", {found.changed_bytes} where the kernel changes itself"
    if found.unpredicted:
        first, count = found.unpredicted[0], len(found.unpredicted)
        said += (
            f", {count} at {first:+d} bytes from the trap that the kernel changes itself, but never to this"
        )
    if not found.different:
        return ("match" if found.equal_bytes >= _LEAST_BYTES else "not possible"), said
    at = found.different[0]
    theirs, ours = found.log_bytes.hex(" "), found.file_bytes.hex(" ")
    said += f"; {at:+d} bytes from the trap {theirs} in the log, {ours} in the file"
    if patches.unread:
        return "not possible", f"{said}; the form of {', '.join(patches.unread)} is not known"
    if _is_single_flaw(found):
        return "match", f"{said}: a breakpoint, or a byte that memory or the line lost a bit of"
    return "mismatch", said


def _is_single_flaw(found: CodeMatch) -> bool:
    if len(found.different) > 1 or found.equal_bytes < 2 * _LEAST_BYTES:
        return False
    theirs, ours = found.log_bytes[0], found.file_bytes[0]
    return theirs == _BREAKPOINT or (theirs ^ ours).bit_count() == 1

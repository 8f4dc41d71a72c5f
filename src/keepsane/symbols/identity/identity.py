# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether a vmlinux or a module is the one that the log speaks of.

A log decoded with the wrong file reads well and is false. So everything a log says of its kernel is held
against the file: build-id, banner, release, the size of every function, the bytes of `Code:`, the line of a
WARNING. Each is one Check that says both sides, or why it was not possible.

Source: lib/dump_stack.c, dump_stack_print_info(); init/version-timestamp.c, linux_banner;
include/linux/vermagic.h, VERMAGIC_STRING; kernel/module/version.c, same_magic().
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from keepsane.errors import KeepsaneError, SymbolError
from keepsane.report import Check, Outcome
from keepsane.symbols.binary.elf import SHT_SYMTAB, Elf
from keepsane.symbols.binary.image import Image
from keepsane.symbols.binary.symtab import Symbol
from keepsane.symbols.identity.codecheck import check_codes
from keepsane.symbols.identity.printed import Facts, PrintedLine, PrintedSize
from keepsane.symbols.lines.locate import fits

_BANNER = re.compile(
    rb"Linux version (?P<release>[\w.+~-]{1,80}) \([^\0\n]{0,600}? (?P<version>#\d[^\0\n]{0,200}+)"
)
_VERMAGIC = re.compile(rb"(?:^|\0)vermagic=(?P<release>\S{1,80})(?P<features>[^\0]{0,200})")
_SET_AT_BOOT = re.compile(r"PREEMPT\(\w+\)\Z")
_YEAR = re.compile(r"\b20\d\d\b")
_KERNEL_ABI = re.compile(r"\.el\d{1,4}")
_STATEMENT_LINES = 5
_SHOWN = 3
_MANY_SIZES = 8


def check(facts: Facts, image: Image) -> tuple[Check, ...]:
    """
    Hold a file against what the log says, most decisive first.

    Equal sizes alone are no proof and are said to be "no contradiction". A file without a symbol table
    leaves most checks "not possible", which is no error.
    """
    checks = [_check_build_id(facts, image.elf)]
    release, version = _in_module_words(image.elf) if facts.module else _in_vmlinux_words(image.elf)
    if not facts.module:
        checks.append(_check_version(facts, image.elf, version))
    checks.append(_check_release(facts, image.elf, release, version))
    is_same_build = release in facts.releases and _is_full_version(facts.version or "", version)
    return (*checks, *_check_functions(facts, image, is_same_build))


def _check_functions(facts: Facts, image: Image, is_same_build: bool) -> list[Check]:
    try:
        lines = [_check_line(line, image) for line in facts.lines]
        return [_check_sizes(facts, image, is_same_build), *check_codes(facts, image), *lines]
    except SymbolError as problem:
        return [Check("function sizes", str(image.path), "not possible", str(problem))]


def contradicts(checks: Sequence[Check]) -> bool:
    """Whether the file is not the log's: an equal build-id settles it, otherwise any mismatch does."""
    if any(check.name == "build-id" and check.outcome == "match" for check in checks):
        return False
    return any(check.outcome == "mismatch" for check in checks)


def _in_vmlinux_words(elf: Elf) -> tuple[str | None, str]:
    """Release and version as linux_banner has them."""
    section = elf.section(".rodata")
    found = _BANNER.search(elf.content(section)) if section is not None else None
    return (found["release"].decode(), found["version"].decode("utf-8", "replace")) if found else (None, "")


def _in_module_words(elf: Elf) -> tuple[str | None, str]:
    """Release and features as vermagic has them."""
    section = elf.section(".modinfo")
    found = _VERMAGIC.search(elf.content(section)) if section is not None else None
    return (
        (found["release"].decode("utf-8", "replace"), found["features"].decode("utf-8", "replace"))
        if found
        else (None, "")
    )


def _check_build_id(facts: Facts, elf: Elf) -> Check:
    ours = elf.build_id
    if not facts.build_ids or ours is None:
        lacking = "the log has none" if not facts.build_ids else "the file has none"
        return Check("build-id", str(elf.path), "not possible", lacking)
    other = next((said for said in facts.build_ids if said != ours), None)
    if other is None:
        return Check("build-id", str(elf.path), "match", f"{ours} in the log and in the file")
    if ours.startswith(other):
        return Check("build-id", str(elf.path), "not possible", f"the log has only a part of it, {other}")
    return Check("build-id", str(elf.path), "mismatch", f"{other} in the log, {ours} in the file")


def _check_version(facts: Facts, elf: Elf, version: str) -> Check:
    if not version and not any(section.kind == SHT_SYMTAB for section in elf.sections):
        lacking = "the file has no linux_banner and no symbol table: it is no kernel, or a stripped one"
        return Check("banner", str(elf.path), "mismatch", lacking)
    if not facts.version or not facts.version.strip() or not version:
        lacking = "the log has no version (#1 SMP ...)" if not facts.version else "the file has no banner"
        return Check("banner", str(elf.path), "not possible", lacking)
    if facts.version == version:
        return Check("banner", str(elf.path), "match", f"{version!r} in the log and in the file")
    outcome: Outcome = "match" if _is_same_version(facts.version, version) else "mismatch"
    if facts.version == version:
        return Check("banner", str(elf.path), outcome, f"{version!r} in the log and in the file")
    return Check("banner", str(elf.path), outcome, f"{facts.version!r} in the log, {version!r} in the file")


def _is_same_version(printed: str, version: str) -> bool:
    """A report prints only parts of the version, and adds what was decided at boot; a line may be cut."""
    words, file_words = printed.split(), version.split()
    *whole, last = [word for word in words if not _SET_AT_BOOT.match(word)] or [""]
    same_build = words[0] == file_words[0] or (len(words) == 1 and file_words[0].startswith(words[0]))
    return same_build and set(whole) <= set(file_words) and any(word.startswith(last) for word in file_words)


def _is_full_version(printed: str, version: str) -> bool:
    """Say whether all of the version is printed, and holds the date or time of the build."""
    words, file_words = (
        [word for word in said.split() if not _SET_AT_BOOT.match(word)] for said in (printed, version)
    )
    return words == file_words and _YEAR.search(version) is not None


def _check_release(facts: Facts, elf: Elf, release: str | None, features: str) -> Check:
    if not facts.releases or release is None:
        lacking = (
            "the log does not name its release" if not facts.releases else "the file does not name a release"
        )
        return Check("release", str(elf.path), "not possible", lacking)
    other = next((said for said in facts.releases if said != release), None)
    if other is None:
        return Check("release", str(elf.path), "match", f"{release} in the log and in the file")
    said = f"{other} in the log, {release} in the file"
    if release.startswith(other):
        return Check("release", str(elf.path), "not possible", f"{said}: the log may be cut there")
    if (
        facts.module
        and "modversions" in features
        and _abi(other) is not None
        and _abi(other) == _abi(release)
    ):
        return Check("release", str(elf.path), "not possible", f"{said}: such kernels may share modules")
    return Check("release", str(elf.path), "mismatch", said)


def _abi(release: str) -> str | None:
    found = _KERNEL_ABI.search(release)
    return found[0] if found else None


def _check_sizes(facts: Facts, image: Image, is_same_build: bool) -> Check:
    file = str(image.path)
    if not facts.sizes:
        return Check("function sizes", file, "not possible", "the log names no function of it with its size")
    symbols = image.symbols({size.function for size in facts.sizes})
    odd = [size for size in facts.sizes if not _is_there(size, symbols.get(size.function, ()))]
    said = f"{len(facts.sizes) - len(odd)} of {len(facts.sizes)} sizes equal"
    if not odd:
        return Check("function sizes", file, "match", f"{said}: no contradiction")
    several = "; ".join(_odd_size(size, symbols.get(size.function, ())) for size in odd[:_SHOWN])
    more = f"; and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    outcome: Outcome = "mismatch" if _is_decisive(len(odd), len(facts.sizes), is_same_build) else "match"
    although = "; yet banner and release are equal" if is_same_build else ""
    return Check("function sizes", file, outcome, f"{said}, but {several}{more}{although}")


def _is_decisive(odd: int, count: int, is_same_build: bool) -> bool:
    # A single one among many may be a damaged line or a function that a live patch replaced. Where release
    # and build date are equal, a few may be damaged lines, too; most of them cannot.
    return 2 * odd > count if is_same_build else odd > 1 or count < _MANY_SIZES


def _is_there(size: PrintedSize, symbols: Sequence[Symbol]) -> bool:
    return any(fits(symbol, size.size_bytes) for symbol in symbols)


def _odd_size(size: PrintedSize, symbols: Sequence[Symbol]) -> str:
    if not symbols:
        return f"{size.function} is not in the file"
    ours = " or ".join(f"{symbol.size_bytes:#x}" for symbol in symbols[:_SHOWN])
    return f"{size.function} has {size.size_bytes:#x} bytes in the log and {ours} in the file"


def _check_line(printed: PrintedLine, image: Image) -> Check:
    name, file, there = "source line", str(image.path), f"{printed.file}:{printed.line}"
    symbols = image.symbols({printed.function}).get(printed.function, ())
    try:
        chains = image.locate(
            {symbol.address + printed.offset_bytes for symbol in symbols if fits(symbol, printed.size_bytes)}
        )
    except KeepsaneError as problem:
        return Check(name, file, "not possible", f"{there} in the log; {problem}")
    levels = [level for chain in chains.values() for level in chain if level.file and level.line]
    if not levels:
        return Check(name, file, "not possible", f"{there} in the log; the file has no line there")
    said = f"{there} in the log, {levels[0].file}:{levels[0].line} in the file"
    near = [
        abs((level.line or 0) - printed.line)
        for level in levels
        if _is_same_file(printed.file, level.file or "")
    ]
    if near and min(near) == 0:
        return Check(name, file, "match", f"{there} in the log and in the file")
    # The macro takes the line on which its statement ends or begins, the compiler any between.
    return Check(name, file, "not possible" if near and min(near) <= _STATEMENT_LINES else "mismatch", said)


def _is_same_file(one: str, other: str) -> bool:
    """Whether the shorter path is the end of the longer one, `./` and `../` at its front left out."""
    parts = [re.sub(r"^(?:\.{1,2}/)+", "", path).split("/") for path in (one, other)]
    shorter, longer = sorted(parts, key=len)
    return longer[-len(shorter) :] == shorter

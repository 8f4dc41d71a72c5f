# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a gfp mask asks for: may it sleep, may it use reserves, which zones, what it gives up.

    keepsane gfp 0xcc0 --kernel 6.1
    keepsane gfp 0x4020                        every kernel in which it makes sense, the likeliest first
    keepsane gfp 'GFP_ATOMIC|__GFP_COMP'
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from keepsane.commands.inputs import require_no_input
from keepsane.commands.output import open_output, paint_for
from keepsane.errors import InputError
from keepsane.kernel.pages.gfp import Gfp, candidates, decode, gfp_in, mask_of, table_of, tables, version_of
from keepsane.kernel.pages.gfp_words import MEANING, asked_words, reach_words, shape_words
from keepsane.render.json import value_json
from keepsane.render.text.paint import Paint
from keepsane.render.visible import written

_MASK = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_BARE = re.compile(r"[0-9a-fA-F]{1,16}")
_NAMES = re.compile(r"[A-Z0-9_x|]{1,500}")
_SHOWN = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane gfp` takes."""
    parser.add_argument("mask", metavar="MASK", help="0xcc0, or names: 'GFP_KERNEL|__GFP_ZERO'")
    parser.add_argument("--kernel", metavar="V", help="the kernel's version, as uname -r says it: 6.1.0-18")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of standard output")


def run(arguments: argparse.Namespace) -> int:
    """Decode the mask and say it; 0 always, since a mask is nothing that went wrong."""
    require_no_input(arguments.output, ())
    meant = _meant(arguments.mask, arguments.kernel)
    with open_output(arguments.output) as out:
        if arguments.format == "json":
            out.write(value_json(meant))
        else:
            out.write(written(_text(meant, paint_for(out))))
    return 0


def _meant(said: str, release: str | None) -> tuple[Gfp, ...]:
    version = version_of(release)
    if release and version is None:
        raise InputError(f"--kernel {release} is no version; give one as uname -r says it, such as 6.1.0")
    said = said.replace(" ", "").removeprefix("(").removesuffix(")")
    if _MASK.fullmatch(said) or said == "0":
        mask = int(said, 16)
        if mask >= 1 << 32:
            raise InputError(f"{said} has more than 32 bits; give the mask of one request, like 0xcc0")
        return (decode(mask, release=release),) if release else candidates(mask)
    if _BARE.fullmatch(said):
        raise InputError(f"{said} could be read in two ways; a mask is written as 0x{said}")
    if not _NAMES.fullmatch(said):
        raise InputError(f"{said!r} is neither a mask like 0xcc0 nor names like 'GFP_KERNEL|__GFP_ZERO'")
    return _named(said, release)


def _named(names: str, release: str | None) -> tuple[Gfp, ...]:
    version = version_of(release)
    known = (table_of(version),) if version else tuple(reversed(tables()))
    meant = [gfp_in(table, mask) for table in known if (mask := mask_of(table, names)) is not None]
    if not meant:
        where = f"in {release}" if release else "in any kernel"
        raise InputError(f"{names} names a flag that is not known {where}; see include/linux/gfp_types.h")
    return tuple(dict.fromkeys(meant))


def _text(meant: tuple[Gfp, ...], paint: Paint) -> Iterator[str]:
    yield from _whole(meant[0], paint)
    for other in meant[1:_SHOWN]:
        yield ""
        yield f"in {other.kernels} it would be {paint('title', other.names)} ({other.mask:#x}):"
        yield f"  {asked_words(other)}"
    if len(meant) > 1:
        yield ""
        yield "Which of them it is only the kernel's version tells: say it with --kernel."


def _whole(gfp: Gfp, paint: Paint) -> Iterator[str]:
    yield f"{gfp.mask:#x} = {paint('title', gfp.names)}   in {gfp.kernels}"
    if gfp.doubt:
        yield paint("warning", f"  not certain: {gfp.doubt}")
    yield f"  {asked_words(gfp)}"
    shape = shape_words(gfp)
    if shape:
        yield f"  {shape}"
    yield ""
    for name, words in reach_words(gfp):
        yield f"  {name:<15}{words}"
    yield ""
    for flag in gfp.flags:
        yield f"  {paint('function', f'{flag:<23}')}{MEANING[flag]}"
    if gfp.rest:
        yield f"  {gfp.rest:#x}: no name is known for these bits"

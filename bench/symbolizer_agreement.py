# SPDX-License-Identifier: GPL-2.0-or-later
"""
5,000 random addresses against llvm-symbolizer: file, line and function of every inline level.

Usage: python -m bench.symbolizer_agreement [--seed N] [--series 6.12] [--show N] [VMLINUX]

VMLINUX is that of the lab's kernel where none is given. Files are compared by base name, functions without
clone suffix. Each difference is put into a class; `--show` prints so many of each.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.addresses import draw
from bench.peers import Place, guest, plain_name, symbol_addresses, symbolize
from keepsane.model import SourceLine
from keepsane.symbols.binary.image import open_image

Chain = tuple[Place, ...]


def chain(levels: Sequence[SourceLine]) -> Chain:
    """Our inline chain in the form it is compared in."""
    return tuple(Place(plain_name(one.function), Path(one.file or "").name, one.line or 0) for one in levels)


def difference(ours: Chain, theirs: Chain, aliases: Mapping[str, frozenset[int]]) -> str:
    """
    How two chains differ, in words; "" where they are equal.

    `aliases` gives the addresses of each symbol: two names that share one are one function.
    """
    if ours == theirs:
        return ""
    if not theirs or not ours:
        return "only keepsane names a line" if ours else "only llvm-symbolizer names a line"
    if len(ours) != len(theirs):
        return "another number of inline levels"
    names = {field for one, other in zip(ours, theirs, strict=True) for field in _fields(one, other)}
    if names == {"function"} and all(
        one.function == other.function or aliases[one.function] & aliases[other.function]
        for one, other in zip(ours, theirs, strict=True)
    ):
        return "another name of the same function (an alias at its address)"
    zero = any(0 in (one.line, other.line) for one, other in zip(ours, theirs, strict=True))
    return f"another {' and '.join(sorted(names))}" + (
        ", one of them 0" if zero and names == {"line"} else ""
    )


def _fields(one: Place, other: Place) -> list[str]:
    return [name for name in Place._fields if getattr(one, name) != getattr(other, name)]


def main() -> None:
    """Print the share of equal answers and the classes of the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("vmlinux", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--series", default="6.12", help="which of the lab's kernels")
    parser.add_argument("--show", type=int, default=3, help="print so many differences of each class")
    options = parser.parse_args()
    vmlinux = options.vmlinux or guest(options.series).vmlinux
    addresses = draw(vmlinux, seed=options.seed)
    theirs = symbolize(vmlinux, addresses)
    ours = open_image(vmlinux).locate(addresses)  # without a cache: an answer kept earlier proves nothing
    aliases = symbol_addresses(vmlinux)
    classes = defaultdict(list)
    for address, other in zip(addresses, theirs, strict=True):
        mine = chain(ours[address])
        classes[difference(mine, other, aliases)].append((address, mine, other))
    equal = len(classes.pop("", []))
    print(f"{100 * equal / len(addresses):.2f} % of {len(addresses)} equal (seed {options.seed})")
    for name, examples in sorted(classes.items(), key=lambda item: -len(item[1])):
        print(f"{len(examples):5}  {name}")
        for address, mine, other in examples[: options.show]:
            print(f"       {address:#x}\n         keepsane {_words(mine)}\n         llvm     {_words(other)}")


def _words(levels: Chain) -> str:
    return " < ".join(f"{one.function} {one.file}:{one.line}" for one in levels) or "nothing"


if __name__ == "__main__":
    main()

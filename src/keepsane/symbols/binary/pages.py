# SPDX-License-Identifier: GPL-2.0-or-later
"""
Chains as JSON, one document for each page of 64 KiB of addresses: how the cache and the workers hold them.

A document is columns, not rows: five thousand addresses are then two hundred calls, not ten thousand. They
are the addresses, how many levels each has, and function, file, line, column and inlined of all levels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from itertools import islice
from types import NoneType
from typing import TYPE_CHECKING, Any

from keepsane.model import SourceLine
from keepsane.symbols.binary.answers import read_documents

if TYPE_CHECKING:
    from keepsane.symbols.binary.dwarf import Chain

_PAGE_BITS = 16
_TYPES: tuple[set[type], ...] = ({str}, {str, NoneType}, {int, NoneType}, {int, NoneType}, {bool})
_FIELDS = len(_TYPES)


def page_of(address: int) -> str:
    """Name the page of an address, as pack_pages() does."""
    return f"{address >> _PAGE_BITS:x}"


def pack_pages(chains: Mapping[int, Chain]) -> dict[str, str]:
    """Turn chains into one document for each page."""
    pages: dict[str, dict[int, Chain]] = {}
    for address, chain in chains.items():
        pages.setdefault(page_of(address), {})[address] = chain
    return {page: _packed(content) for page, content in pages.items()}


def unpack_pages(documents: Iterable[str], wanted: Set[int]) -> dict[int, Chain]:
    """
    Turn what pack_pages() made back into the chains of the wanted addresses.

    Raises ValueError or TypeError where a document is none of pack_pages().
    """
    chains: dict[int, Chain] = {}
    for content in read_documents(documents):
        chains |= _unpacked(content, wanted)
    return chains


def join_pages(kept: str, fresh: str) -> str:
    """Put two documents of one page together; one that cannot be read is dropped."""
    try:
        addresses = {address for page in read_documents([kept, fresh]) for address in page[0]}
        return _packed(unpack_pages([kept, fresh], addresses))
    except (ValueError, TypeError, LookupError):
        return fresh


def _packed(chains: Mapping[int, Chain]) -> str:
    lines = [line for chain in chains.values() for line in chain]
    columns = [
        list(chains),
        [len(chain) for chain in chains.values()],
        [line.function for line in lines],
        [line.file for line in lines],
        [line.line for line in lines],
        [line.column for line in lines],
        [line.inlined for line in lines],
    ]
    return json.dumps(columns, separators=(",", ":"))


def _unpacked(content: Any, wanted: Set[int]) -> dict[int, Chain]:
    addresses, levels, *columns = content
    if len(columns) != _FIELDS or sum(levels) != len(columns[0]):
        raise ValueError("columns of unequal length")
    for column, types in zip(columns, _TYPES, strict=True):
        if not types.issuperset(map(type, column)):
            raise TypeError("a column of another type")
    lines = (
        SourceLine(function=function, file=file, line=line, column=column, inlined=inlined)
        for function, file, line, column, inlined in zip(*columns, strict=True)
    )
    chains = {address: tuple(islice(lines, count)) for address, count in zip(addresses, levels, strict=True)}
    if chains.keys() <= wanted:
        return chains
    return {address: chains[address] for address in chains.keys() & wanted}

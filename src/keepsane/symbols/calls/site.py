# SPDX-License-Identifier: GPL-2.0-or-later
"""
A place in the code as a trace prints it, to the call that returns there.

    tty_read+0x63                    the call whose return address this is
    tty_read+0x63/0x250              of several functions of the name the one of this size
    cleanup+0x14/0x30 [crashme]      in a module
    tty_read                         every call and jump of the function
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.errors import InputError
from keepsane.symbols.binary.symtab import names_starting
from keepsane.symbols.calls.calls import Branch, call_site, replacing_calls
from keepsane.symbols.code.text import Function, Text, symbols_of

_SITE = re.compile(
    r"(?P<function>[A-Za-z_.$][\w.$]{0,255})"
    r"(?:\+(?P<offset>0x[0-9a-f]{1,8})(?:/(?P<size>0x[0-9a-f]{1,8}))?)?"
    r"(?: ?\[(?P<module>\w[\w-]{0,63})[^\]]{0,80}\])?\Z",
    re.ASCII,
)
_MAX_CLONES = 50


class Site(NamedTuple):
    """What was asked for: without `offset_bytes` the whole function; `module` None where none was said."""

    function: str
    offset_bytes: int | None
    size_bytes: int | None
    module: str | None


class Call(NamedTuple):
    """A call that returns to a site; `form` is its run-time form, "" for the one in the file."""

    caller: Function
    branch: Branch
    form: str


def parse_site(text: str) -> Site:
    """Read a site; raises InputError where it is none."""
    found = _SITE.match(text.strip())
    if found is None:
        raise InputError(f"{text!r} is no place in the code; write it as a trace does: tty_read+0x63/0x250")
    offset, size = (int(found[part], 16) if found[part] else None for part in ("offset", "size"))
    return Site(found["function"], offset, size, found["module"])


def functions_of(text: Text, site: Site, *, clones: bool = False) -> tuple[Function, ...]:
    """List the functions a site may name, on demand with the clones that the compiler made of them."""
    for module, image in sorted(text.images.items(), key=lambda item: item[0] or ""):
        if site.module is not None and module != site.module:
            continue
        names = [site.function]
        if clones:
            longer = names_starting(symbols_of(image), f"{site.function}.", _MAX_CLONES)
            names += [name for name in longer if ".cold" not in name]
        symbols = [symbol for found in image.symbols(names).values() for symbol in found]
        if symbols:
            fitting = {
                symbol.address: symbol for symbol in symbols if site.size_bytes in (None, symbol.size_bytes)
            }
            return tuple(
                Function(module, symbol.name, symbol.address, symbol.size_bytes)
                for symbol in fitting.values()
            )
    return ()


def calls_at(text: Text, function: Function, offset_bytes: int) -> Iterator[Call]:
    """
    List the calls that return to an offset: one, several where an alternative may replace it, or none.

    Raises MissingExtraError without capstone.
    """
    return_address = function.address + offset_bytes
    if not 0 < offset_bytes <= function.size_bytes:
        return
    site = call_site(text, function, return_address)
    if site is not None:
        yield from (Call(function, branch, site.form) for branch in site.branches)
        if site.form != "an alternative":
            for branch in replacing_calls(text, function, return_address):
                yield Call(function, branch, "an alternative")

# SPDX-License-Identifier: GPL-2.0-or-later
"""
From the named groups of a match to values: a group fills the field of its name.

    stuck for (?P<stuck_seconds>[0-9]{1,9})s!   fills     stuck_seconds: int | None
    /(?P<preempt_count>0x[0-9a-f]{1,8})         fills     preempt_count: int | None
    at addr (?P<address>[0-9a-f]{4,16})         fills     address: Hex | None

A pattern can name a group only once: `(?P<file_>...)` is a second place where `file` may stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from keepsane.model import Task

Hex = Annotated[int, 16]
"""A number that the log writes in hexadecimal without saying so, or as `(null)`."""

T = TypeVar("T")
Groups = re.Match[str] | None


def said(cls: type, *found: Groups) -> dict[str, Any]:
    """
    Give what matches say, by the fields of `cls`: a number for `int` and `Hex`, else text.

    Where several say the same field the first counts; a field that none says is left out.
    """
    values: dict[str, Any] = {}
    for match in found:
        for group, text in (match.groupdict() if match is not None else {}).items():
            reader = _readers(cls).get(name := group.rstrip("_"))
            if text is not None and reader is not None:
                values.setdefault(name, reader(text))
    return values


def read(cls: type[T], *found: Groups, **own: Any) -> T:
    """Build a value of what matches say and of fields of its `own`."""
    return cls(**(said(cls, *found) | own))


def task_of(found: Groups) -> Task | None:
    """Give the task that the groups `comm`, `pid` and `cpu` name; None where they name none."""
    named = said(Task, found)
    return Task(**named) if named else None


@cache
def _readers(cls: type) -> dict[str, Callable[[str], Any]]:
    """Give how the text of each field is read that a match can fill."""
    hints = get_type_hints(cls, include_extras=True)
    readers = {name: _reader(hint) for name, hint in hints.items()}
    return {name: reader for name, reader in readers.items() if reader is not None}


def _reader(hint: Any) -> Callable[[str], Any] | None:
    parts = get_args(hint)
    if type(None) in parts:
        return next(filter(None, map(_reader, parts)), None)
    return _HOW.get(hint)


def _number(digits: str) -> int:
    return int(digits, 16 if digits.startswith("0x") else 10)


def _hexadecimal(digits: str) -> int:
    return 0 if digits == "(null)" else int(digits, 16)


_HOW: dict[Any, Callable[[str], Any]] = {str: str, int: _number, Hex: _hexadecimal}

# SPDX-License-Identifier: GPL-2.0-or-later
"""A report, or any other value, in which every text may be shown: no field of no type is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from operator import is_not
from typing import Any, TypeVar, cast

from keepsane.model import Event
from keepsane.render.visible import clean

T = TypeVar("T")
COMMON = tuple(field.name for field in fields(Event))
"""What every event has; the rest is what only one kind of event says."""
_SHOWN = tuple(name for name in COMMON if name != "records")
_NO_TEXT = frozenset({int, float, bool, bytes, type(None)})
_NAMES: dict[type, tuple[str, ...] | None] = {}


def cleaned(value: T) -> T:
    """
    Give a value with every text in it clean; the very same object where all of them were.

    What only one kind of event says may have several lines. `records` stay: no renderer shows them.
    """
    return cast(T, _cleaned(value))


def names_of(cls: type) -> tuple[str, ...] | None:
    """Give the names of what a dataclass or a named tuple holds; None for anything else."""
    if cls not in _NAMES:
        own = tuple(field.name for field in fields(cls)) if is_dataclass(cls) else None
        _NAMES[cls] = own or getattr(cls, "_fields", None)
    return _NAMES[cls]


def _cleaned(value: Any) -> Any:
    cls = type(value)
    if cls in _NO_TEXT:
        return value
    if cls is str:
        return clean(value)
    if cls is tuple:
        parts = tuple(map(_cleaned, value))
        return parts if any(map(is_not, parts, value)) else value
    if isinstance(value, Event):
        return _event(value)
    names = names_of(cls)
    return value if names is None else _changed(value, names, _cleaned)


def _event(event: Event) -> Event:
    """Clean what every event has, and what only this kind says line by line."""
    own = tuple(name for name in names_of(type(event)) or () if name not in COMMON)
    return cast(Event, _changed(_changed(event, _SHOWN, _cleaned), own, _lines_cleaned))


def _lines_cleaned(value: Any) -> Any:
    if type(value) is str and "\n" in value:
        return "\n".join(map(clean, value.split("\n")))
    return _cleaned(value)


def _changed(value: Any, names: Iterable[str], clean_part: Callable[[Any], Any]) -> Any:
    changed = {}
    for name in names:
        old = getattr(value, name)
        if type(old) not in _NO_TEXT and (new := clean_part(old)) is not old:
            changed[name] = new
    if not changed:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **changed)
    return value._replace(**changed)

# SPDX-License-Identifier: GPL-2.0-or-later
"""
One line of JSON for each report of a stream: what json.dumps() would write, and several times faster.

A log may have the same report ten thousand times, and of each only lines, times and registers are new. The
text of a frame with its source and edge, and of the list of modules, is made once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any

from keepsane.model import Event, Frame
from keepsane.render.cleaned import COMMON, names_of

_MAX_KEPT = 4096
_of_frame = attrgetter(
    *("function", "offset_bytes", "size_bytes", "module", "build_id", "address", "reliable", "role", "note"),
    "file_unused",
)
_PLAIN: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    int: int.__repr__,
    float: json.dumps,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
}
_Shape = tuple[tuple[tuple[str, str], ...], str]


@dataclass(slots=True)
class LineWriter:
    """Turns values into JSON by the names of their fields, and remembers the parts that come again."""

    _frames: dict[object, tuple[Frame, str]] = field(default_factory=dict)
    _tuples: dict[tuple[Any, ...], str] = field(default_factory=dict)
    _shapes: dict[type, _Shape] = field(default_factory=dict)

    def text(self, value: Any) -> str:
        """Write one value on one line."""
        cls = type(value)
        plain = _PLAIN.get(cls)
        if plain is not None:
            return plain(value)
        if cls is tuple:
            return f"[{', '.join([self.text(part) for part in value])}]"
        if cls is Frame:
            return self._frame(value)
        if cls is bytes:
            return encode_basestring(value.hex())
        heads, end = self._shapes.get(cls) or self._shape(cls)
        return "".join([f"{head}{self._part(value, name)}" for head, name in heads]) + end

    def _part(self, value: Any, name: str) -> str:
        part = getattr(value, name)
        plain = _PLAIN.get(type(part))
        if plain is not None:
            return plain(part)
        return self._known(part) if name == "modules" else self.text(part)

    def _frame(self, frame: Frame) -> str:
        # Equal reports share the very same lines and edges: which ones they are is asked, not what they say.
        key = (_of_frame(frame), id(frame.locations), id(frame.edge))
        known = self._frames.get(key)
        if known is None:
            _make_room(self._frames)
            heads, end = self._shape(Frame)
            text = "".join([f"{head}{self._part(frame, name)}" for head, name in heads[1:]]) + end
            known = self._frames[key] = (frame, text)  # the frame, so that nothing else gets these numbers
        return f'{{"line": {frame.line}{known[1]}'

    def _known(self, values: tuple[Any, ...]) -> str:
        text = self._tuples.get(values)
        if text is None:
            _make_room(self._tuples)
            text = self._tuples[values] = self.text(values)
        return text

    def _shape(self, cls: type) -> _Shape:
        """Give what stands before each field of a class, and what stands at its end."""
        names = names_of(cls) or ()
        end = "}"
        heads = [(f", {encode_basestring(name)}: ", name) for name in names]
        if issubclass(cls, Event):
            common = [(head, name) for head, name in heads if name in COMMON and name != "records"]
            own = [(head, name) for head, name in heads if name not in COMMON]
            own = [(f"{', ' if place else ''}{head[2:]}", name) for place, (head, name) in enumerate(own)]
            opened = [(f', "fields": {{{own[0][0]}', own[0][1]), *own[1:]] if own else []
            heads, end = [*common, *opened], "}}" if own else ', "fields": {}}'
        first = [(f"{{{head[2:]}", name) for head, name in heads[:1]]
        self._shapes[cls] = shape = ((*first, *heads[1:]), end)
        return shape


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _MAX_KEPT:
        kept.clear()

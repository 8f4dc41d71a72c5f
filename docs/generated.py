# SPDX-License-Identifier: GPL-2.0-or-later
"""
The parts of the documentation that the program itself knows: options, rules, JSON fields.

Each function returns MyST text; `fill_in` puts it where a page asks for it.
"""

from __future__ import annotations

import argparse
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from keepsane import cli, judge, kernel, model, report
from keepsane.kernel.log.kinds import KINDS

PROSE = Path(__file__).parent / "reference" / "json_fields.toml"
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
RULE_HEADINGS = re.compile(r"^(What it means|How we know|What to do|When it is wrong):", re.MULTILINE)
JSON_TYPES = (model.__name__, report.__name__)
NOT_RENDERED = {"records"}
JSON_NAMES = {str: "string", int: "number", float: "number", bool: "true or false", bytes: "string"}


def fill_in(page: str) -> str:
    """Replace every `<!-- generated: NAME -->` line of a page by what the program says."""
    return MARK.sub(lambda found: GENERATORS[found[1]](), page)


def json_fields() -> str:
    """A heading and a table of fields for each type in the output, in order of appearance."""
    prose: dict[str, dict[str, str]] = tomllib.loads(PROSE.read_text(encoding="utf-8"))
    types = list(dict.fromkeys([*_types_below(report.Report), *_types_below(report.Fragment)]))
    _must_agree({kind.__name__: _fields(kind) for kind in types}, prose)
    return "\n\n".join(_type_section(kind, prose[kind.__name__]) for kind in types)


def kinds() -> str:
    """The kinds of event in one line."""
    return ", ".join(f"`{kind}`" for row in KINDS.values() for kind in row.kinds) + "."


def kind_fields() -> str:
    """An entry for each subclass of Event, and for the types that only these use, in order of name."""
    for module in pkgutil.walk_packages(kernel.__path__, "keepsane.kernel."):
        import_module(module.name)
    # By name, since a dataclass with slots is made twice and both stay in __subclasses__().
    subclasses = {kind.__name__: kind for kind in _subclasses(model.Event)}
    parts = {
        part.__name__: part for kind in subclasses.values() for part in _types_below(kind, (kernel.__name__,))
    }
    told = subclasses | parts
    return "\n\n".join(_own_fields(told[name]) for name in sorted(told))


def rule_pages() -> str:
    """The docstring of each rule under its name."""
    return "\n\n".join(f"## {name}\n\n{_rule_page(known.judge)}" for name, known in judge.load().items())


def command_line() -> str:
    """The help of keepsane and of each of its verbs."""
    return "\n\n".join(f"## `{parser.prog}`\n\n```text\n{parser.format_help()}```" for parser in _parsers())


def _parsers() -> Iterator[argparse.ArgumentParser]:
    yield cli.parser()
    for command in cli.COMMANDS:
        yield cli.verb_parser(command)


def _rule_page(judge: Callable[..., object]) -> str:
    return RULE_HEADINGS.sub(r"\n**\1.**", inspect.getdoc(judge) or "")


def _subclasses(kind: type[model.Event]) -> Iterator[type[model.Event]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _own_fields(kind: type) -> str:
    inherited = get_type_hints(model.Event) if issubclass(kind, model.Event) else {}
    own = {name: hint for name, hint in _fields(kind).items() if name not in inherited}
    listed = [f"- `{name}`: {_json_type(hint)}" for name, hint in own.items()] or ["- no field of its own"]
    return "\n".join([f"**{kind.__name__}**: {inspect.getdoc(kind)}", "", *listed])


def _types_below(hint: Any, rooms: tuple[str, ...] = JSON_TYPES) -> Iterator[type]:
    """Yield every type defined in `rooms` or below them that can occur inside `hint`."""
    if isinstance(hint, type) and hint.__module__.startswith(rooms):
        yield hint
        for field in _fields(hint).values():
            yield from _types_below(field, rooms)
    for part in get_args(hint):
        yield from _types_below(part, rooms)


def _fields(kind: type) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(kind).items() if name not in NOT_RENDERED}


def _must_agree(have: dict[str, dict[str, Any]], prose: dict[str, dict[str, str]]) -> None:
    there = {f"{kind}.{field}" for kind, fields in have.items() for field in fields}
    told = {f"{kind}.{field}" for kind, fields in prose.items() for field in fields}
    if there != told:
        raise ValueError(
            f"{PROSE.name} and keepsane.model differ: undocumented {sorted(there - told)},"
            f" gone {sorted(told - there)}"
        )


def _type_section(kind: type, prose: dict[str, str]) -> str:
    rows = [f"| `{name}` | {_json_type(hint)} | {prose[name]} |" for name, hint in _fields(kind).items()]
    return "\n".join([f"### {kind.__name__}", "", "| field | type | meaning |", "|---|---|---|", *rows])


def _json_type(hint: Any) -> str:
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        return f"list of {_json_type(parts[0])}"
    if get_origin(hint) is UnionType:
        return " or ".join("null" if part is type(None) else _json_type(part) for part in parts)
    if parts:  # Literal
        return "string"
    if hint in JSON_NAMES:
        return JSON_NAMES[hint]
    in_the_tables = hint.__module__ in JSON_TYPES
    return f"[{hint.__name__}](#{hint.__name__.lower()})" if in_the_tables else f"a {hint.__name__}"


GENERATORS: dict[str, Callable[[], str]] = {
    "command_line": command_line,
    "json_fields": json_fields,
    "kind_fields": kind_fields,
    "kinds": kinds,
    "rules": rule_pages,
}

# SPDX-License-Identifier: GPL-2.0-or-later
"""
No pattern of the project may take long, whatever line it meets.

    python -m checks.patterns [ROOT]    prints one line per breach; exit code 1 if there is one

Every module is imported and asked for its compiled patterns; those written where they are used are read from
the source. A pattern that is only ever used by `match` or `fullmatch` begins at one place, any other at each
letter. What a pattern costs: checks/pattern_cost.py.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from checks.pattern_cost import RefusedError, cost

MAX_STEPS = 2_000_000
"""About 20 ms: a step takes 10 ns."""
AT_ONE_PLACE = {"match", "fullmatch"}
PASSED_TO_MATCH = {
    "Opening",
    "find",
    "find_all",
    "matched",
    "quote_match",
    "doer",
    "named_stack",
    "lock_below",
}
"""
What takes a pattern and only calls its `match`: openings, Block.find() and Block.find_all(), those of
kernel/log/quote.py, kernel/events/who.py and kernel/events/lockdep/locks.py.
"""
FIELDS = {"pattern", "own"}
"""The fields of an opening; these words mean other things too, so only calls of their methods count."""
METHODS = {*AT_ONE_PLACE, "search", "findall", "finditer", "split", "sub", "subn", "scanner"}
EXCEPTIONS = {
    "keepsane.symbols.calls.jumps._PADDING": "it sees the last 64 bytes of a function",
    "src/keepsane/kernel/log/kinds.py": "it joins literals, and what it makes is found in modules",
    "src/keepsane/memory/rules/quote.py": "the texts it is given are read where they are written",
}
"""A pattern or a file, and why it need not pass."""
TEXT_OF_PATTERN = {"quote_file": 2}
"""Functions that take the text of a pattern to search for, and which argument that is."""


class Found(NamedTuple):
    """A compiled pattern, where it was found, and the names by which code may use it."""

    where: str
    pattern: re.Pattern[Any]
    names: frozenset[str]


def main(root: Path) -> int:
    """Print every breach of the package under `root`; 1 if there is any, else 0."""
    sys.setrecursionlimit(20_000)
    sys.path.insert(0, str(root / "src"))
    sources = [Source(root, path) for path in sorted((root / "src").rglob("*.py"))]
    said = [*breaches(sources), *(said for source in sources for said in source.breaches())]
    for line in said:
        print(line)
    print(f"{len(said)} breaches" if said else "no breach")
    return 1 if said else 0


def breaches(sources: list[Source]) -> Iterator[str]:
    """Say which of the patterns that modules hold are too slow."""
    uses = [use for source in sources for use in source.uses()]
    for found in module_patterns(sources):
        if found.where in EXCEPTIONS:
            continue
        if said := judge(found.pattern, searched=is_searched(found, uses)):
            yield f"{found.where}: {said}"


def judge(pattern: re.Pattern[Any], *, searched: bool) -> str | None:
    """Say what is wrong with a pattern; None where it is quick on every line."""
    try:
        price = cost(pattern)
    except RefusedError as error:
        return f"{error}: {pattern.pattern!r:.120}"
    steps = price.of_search if searched else price.steps
    if steps <= MAX_STEPS:
        return None
    how = "a search" if searched else "a match"
    return f"{how} may take {steps:.1e} steps, the limit is {MAX_STEPS:.0e}: {pattern.pattern!r:.120}"


def is_searched(found: Found, uses: list[Use]) -> bool:
    """Tell whether a pattern is, or may be, used in another way than by `match`."""
    named = (use for use in uses if use.name in found.names)
    hows = {use.how for use in named if use.name not in FIELDS or use.how in METHODS}
    return not hows or not hows <= AT_ONE_PLACE


def module_patterns(sources: list[Source]) -> Iterator[Found]:
    """Import every module and yield each of its patterns once, with all names it has."""
    known: dict[re.Pattern[Any], Found] = {}
    for source in sources:
        module = source.load()
        for name, value in vars(module).items():
            if name.startswith("__"):
                continue
            for pattern, field in _held(value, set()):
                names = {field or f"{source.module}.{name}"}
                first = known.get(pattern, Found(f"{source.module}.{name}", pattern, frozenset()))
                known[pattern] = first._replace(names=first.names | names)
    yield from known.values()


def _held(value: Any, seen: set[int]) -> Iterator[tuple[re.Pattern[Any], str]]:
    """Yield the patterns inside a value, with the name of the field that holds them."""
    if isinstance(value, re.Pattern):
        yield value, ""
    elif id(value) not in seen:
        seen.add(id(value))
        for field, part in _parts(value):
            for pattern, inner in _held(part, seen):
                yield pattern, inner or field


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value of the project's is made of, each with the name of its field."""
    if isinstance(value, dict):
        yield from (("", part) for pair in value.items() for part in pair)
    elif isinstance(value, tuple | list | set | frozenset):
        names = getattr(value, "_fields", None) or [""] * len(value)
        yield from zip(names, value, strict=True)
    elif isinstance(value, FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(getattr(value, "__self__", None), re.Pattern):
        yield "a bound method", value.__self__
    else:
        yield from _parts_of_object(value)


def _parts_of_object(value: Any) -> Iterator[tuple[str, Any]]:
    of = value if isinstance(value, type) else type(value)
    if of.__module__.startswith("keepsane"):
        yield from getattr(value, "__dict__", {}).items()
        if is_dataclass(value) and not isinstance(value, type):
            yield from ((field.name, getattr(value, field.name, None)) for field in fields(value))


def _parts_of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    yield from (("", part) for part in function.__defaults__ or ())
    yield from ((name, part) for name, part in (function.__kwdefaults__ or {}).items())
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, cell.cell_contents


class Use(NamedTuple):
    """One place where a name is used: the method called on it, or "?" where it is passed on."""

    name: str
    how: str


class Source:
    """One file of the package."""

    def __init__(self, root: Path, path: Path) -> None:
        """Read the file at `path`, a module below `root`/src."""
        parts = path.relative_to(root / "src").with_suffix("").parts
        self.module = ".".join(parts).removesuffix(".__init__")
        self.path = path.relative_to(root)
        self.tree = ast.parse(path.read_text(encoding="utf-8"))

    def load(self) -> ModuleType:
        """Import the module."""
        return import_module(self.module)

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def _origins(self) -> dict[str, str]:
        """Give what each imported name is in full."""
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom))
        return {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in nodes
            for alias in node.names
        }

    def uses(self) -> Iterator[Use]:
        """Yield what is done with each name and each attribute."""
        for node in ast.walk(self.tree):
            if not (isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)):
                continue
            if (how := self._how(node)) is not None:
                yield Use(self._full(node), how)

    def _full(self, node: ast.Name | ast.Attribute) -> str:
        if isinstance(node, ast.Name):
            return self._origins.get(node.id, f"{self.module}.{node.id}")
        if isinstance(node.value, ast.Name) and node.value.id in self._origins:
            return f"{self._origins[node.value.id]}.{node.attr}"
        return node.attr

    def _how(self, node: ast.expr) -> str | None:
        """Tell how the value of an expression is used; None where only its text is asked for."""
        above = self._parents[node]
        if isinstance(above, ast.Compare):
            return None
        if isinstance(above, ast.Attribute):
            return None if above.attr in {"pattern", "flags"} else above.attr
        if isinstance(above, ast.keyword):
            above = self._parents[above]
        if isinstance(above, ast.Call) and above.func is not node:
            called = above.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            return "match" if name in PASSED_TO_MATCH else "?"
        return "match" if self._is_row_of_openings(node) else "?"

    def _is_row_of_openings(self, node: ast.AST) -> bool:
        """Tell whether a name stands in the table from which a module's openings are made."""
        while isinstance(node, ast.expr | ast.comprehension):
            node = self._parents[node]
        return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "OPENINGS"

    def breaches(self) -> Iterator[str]:
        """Say which patterns written inside functions are slow, or cannot be known beforehand."""
        if str(self.path) in EXCEPTIONS:
            return
        for node, name, text in self._written():
            if text is None:
                yield f"{self.path}:{node.lineno}: a pattern that is only known when it runs; compile it once"
            elif said := judge(re.compile(text), searched=name not in AT_ONE_PLACE):
                yield f"{self.path}:{node.lineno}: {said}"

    def _written(self) -> Iterator[tuple[ast.Call, str, str | None]]:
        """Yield the calls inside functions that are given a pattern: the call, its name, the text."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Call) or not self._inside_function(node):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            place = TEXT_OF_PATTERN.get(name, 0 if _is_of_re(node.func) else None)
            if place is not None and len(node.args) > place:
                given = node.args[place]
                if name in TEXT_OF_PATTERN and isinstance(given, ast.Name):
                    continue  # a compiled pattern, which the module or this function has under that name
                yield node, name, _text(given, any_name=name in TEXT_OF_PATTERN)

    def _inside_function(self, node: ast.AST) -> bool:
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                return True
        return False


def _is_of_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
        and function.attr in METHODS | {"compile"}
    )


def _text(node: ast.expr, *, any_name: bool = False) -> str | None:
    """Give a pattern as it is written; what is filled in is a letter if it can only be letters."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(octets)):
            return octets.decode("latin-1")
        case ast.BinOp(op=ast.Add()):
            parts = [_text(node.left, any_name=any_name), _text(node.right, any_name=any_name)]
        case ast.JoinedStr():
            parts = [_text(part, any_name=any_name) for part in node.values]
        case ast.FormattedValue():
            return "x" if any_name or _is_number(node) else _text(node.value)
        case ast.Call() if ast.unparse(node.func) == "re.escape":
            return "x"
        case _:
            return None
    return None if None in parts else "".join(part or "" for part in parts)


def _is_number(node: ast.FormattedValue) -> bool:
    return node.format_spec is not None and ast.unparse(node.format_spec).rstrip("'\"")[-1:] in {"x", "d"}


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2]).resolve()))

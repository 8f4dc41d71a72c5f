# SPDX-License-Identifier: GPL-2.0-or-later
"""The member of a variable that stands at an offset, by the DWARF: `proc_reg_file_ops` + 0x20 is `.write`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from keepsane.errors import KeepsaneError
from keepsane.symbols.binary.dwarf import import_drgn, open_program
from keepsane.symbols.calls.objects import Variable
from keepsane.symbols.calls.pointer import Pointer
from keepsane.symbols.code.text import Function, Text

_MAX_DEPTH = 12
_UNREADABLE = (
    LookupError,
    ValueError,
    TypeError,
    OSError,
)  # what drgn raises for damaged DWARF, and for none
# An arm64 symbol begins at the two instructions kept for the tracer, which the DWARF does not count.
_BEFORE_BYTES = (0, 8)
_PARAMETERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")


_Answer = TypeVar("_Answer")


class Member(NamedTuple):
    """
    A member of a variable: `path` as C writes it, `.write` or `[3].handler`.

    `offsets_bytes` are its distances from the start of each structure around it, the innermost first, and
    `structures` are the names of those, "" for one without a name.
    """

    path: str
    offsets_bytes: tuple[int, ...]
    structures: tuple[str, ...] = ()


class Way(NamedTuple):
    """
    A way from a local variable to a function pointer: `file->f_op->write`.

    `structures` are the names of the structures that the pointer is a member of, the outermost one first.
    """

    said: str
    structures: tuple[str, ...]


@dataclass(slots=True)
class Types:
    """The DWARF of the images, opened where first needed; None where it cannot be."""

    text: Text
    programs: dict[str | None, Any] = field(default_factory=dict)
    known: dict[Variable, Any] = field(default_factory=dict)
    ways: dict[tuple[str | None, int, Pointer, frozenset[str]], Way | None] = field(default_factory=dict)


def source_name(name: str) -> str:
    """Give a variable's name without the numbers that the compiler added: `ops.12` is `ops`."""
    parts = name.split(".")
    while len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    return ".".join(parts)


def member_at(
    types: Types, variable: Variable, offset_bytes: int, held: Function, files: Callable[[], Sequence[str]]
) -> Member | None:
    """
    Name the member of a variable at an offset; None where the DWARF does not say.

    `held` is the function whose address stands there. Several variables may share a name: `files` gives those
    where it may be defined, and is asked only then.
    """
    return _unless_damaged(None, lambda: _member_at(types, variable, offset_bytes, held, files))


def _member_at(
    types: Types, variable: Variable, offset_bytes: int, held: Function, files: Callable[[], Sequence[str]]
) -> Member | None:
    if variable not in types.known:
        types.known[variable] = None
        types.known[variable] = _type_beside(types, variable, held) or _type_of(types, variable, files)
    kind = types.known[variable]
    return None if kind is None else _member(kind, offset_bytes)


def _unless_damaged(otherwise: _Answer, look: Callable[[], _Answer]) -> _Answer:
    """
    Give what DWARF says, or another answer where it cannot be read.

    One lookup in a damaged file costs what that one would have said, and nothing else.
    """
    try:
        return look()
    # drgn has no base class for its errors, and raises a bare Exception for what libdw and libelf say.
    except Exception:
        return otherwise


def _type_beside(types: Types, variable: Variable, held: Function) -> Any:
    program = _program_of(types, variable.module)
    if program is None or held.module != variable.module:
        return None
    found = _seen_from(program, held, source_name(variable.name))
    return found.type_ if found is not None and found.address_ == variable.address else None


def _seen_from(program: Any, function: Function, name: str) -> Any:
    """
    Find what a name means inside a function, None for nothing.

    Unlike a search of the whole DWARF this needs no index of it, which takes longer than a whole trace.
    """
    for before_bytes in _BEFORE_BYTES:
        try:
            return program.stack_trace_from_pcs([0, function.address + before_bytes + 1])[-1][name]
        except _UNREADABLE:
            continue
    return None


def is_named_in(
    types: Types, function: Function, variable: Variable, files: Callable[[], Sequence[str]]
) -> bool:
    """Say whether a variable's name means this one inside a function, whose source is in `files`."""
    return _unless_damaged(False, lambda: _is_named_in(types, function, variable, files))


def _is_named_in(
    types: Types, function: Function, variable: Variable, files: Callable[[], Sequence[str]]
) -> bool:
    if _type_beside(types, variable, function) is not None:
        return True
    program = _program_of(types, variable.module)
    found = [_variable(program, variable.name, file) for file in files()] if program is not None else []
    return any(kept is not None and kept.address_ == variable.address for kept in found)


def constant_offset(types: Types, variable: Variable, structure: str, member: str) -> int | None:
    """
    Give the offset of a member of a variable that `member_at` was asked about.

    None where the DWARF does not say that the variable is a constant structure of that name.
    """
    return _unless_damaged(None, lambda: _constant_offset(types, variable, structure, member))


def _constant_offset(types: Types, variable: Variable, structure: str, member: str) -> int | None:
    kind, drgn = types.known.get(variable), import_drgn()
    if kind is None or not kind.qualifiers & drgn.Qualifiers.CONST:
        return None
    kind = _plain(drgn, kind)
    if kind.kind != drgn.TypeKind.STRUCT or kind.tag != structure:
        return None
    return next((field.offset for field in kind.members or () if field.name == member), None)


def _type_of(types: Types, variable: Variable, files: Callable[[], Sequence[str]]) -> Any:
    program = _program_of(types, variable.module)
    if program is None:
        return None
    name = source_name(variable.name)
    found = _variable(program, name, None)
    if found is not None and found.address_ != variable.address:
        others = (_variable(program, name, file) for file in files())
        found = next(
            (other for other in others if other is not None and other.address_ == variable.address), None
        )
    return None if found is None else found.type_


def _variable(program: Any, name: str, file: str | None) -> Any:
    try:
        return program.variable(name, file)
    except _UNREADABLE:
        return None


def expression_of(
    types: Types, function: Function, address: int, pointer: Pointer, structures: Set[str] = frozenset()
) -> str | None:
    """
    Write the call at an address through a pointer as the source has it: `file->f_op->write`, or `fn`.

    `structures` are those that the pointer may be a member of, none where nothing is known of that. Then it
    is said only where exactly one local variable leads to a function pointer by the offsets that the code
    loads. It is said, too, where the pointer is a parameter of the function.
    """
    program = _program_of(types, function.module)
    if program is None or pointer.fixed is not None:
        return None
    if pointer.argument is not None:
        register = pointer.argument
        return _unless_damaged(None, lambda: _parameter(program, function, register))
    way = way_to(types, function.module, address, pointer, structures)
    return None if way is None else way.said


def way_to(
    types: Types, module: str | None, address: int, pointer: Pointer, structures: Set[str]
) -> Way | None:
    """
    Find how local variables lead to a function pointer by the offsets that the code loads, None for nohow.

    Of several ways to one of these structures the innermost variable's is given; without any the only way.
    """
    asked = (module, address, pointer, frozenset(structures))
    if asked not in types.ways:
        types.ways[asked] = _unless_damaged(None, lambda: _way_to(types, *asked))
    return types.ways[asked]


def _way_to(
    types: Types, module: str | None, address: int, pointer: Pointer, structures: frozenset[str]
) -> Way | None:
    program = _program_of(types, module)
    if program is None or pointer.displacement is None:
        return None
    distances = (pointer.displacement, pointer.behind)
    found = (
        way for name, kind in _locals(program, address) for way in _ways(name, kind, *distances, structures)
    )
    if structures:
        return next(found, None)
    ways = {way.said: way for way in found}
    return next(iter(ways.values())) if len(ways) == 1 else None


def _parameter(program: Any, function: Function, register: str) -> str | None:
    found = _seen_from(program, function, function.name)
    number = _PARAMETERS.index(register) if register in _PARAMETERS else len(_PARAMETERS)
    if found is None or found.address_ != function.address or number >= len(found.type_.parameters):
        return None
    parameter = found.type_.parameters[number]
    return (
        parameter.name if _is_function_pointer(import_drgn(), _plain(import_drgn(), parameter.type)) else None
    )


def _locals(program: Any, address: int) -> Iterator[tuple[str, Any]]:
    frames = iter(program.stack_trace_from_pcs([0, address + 1]))
    next(frames)
    for frame in frames:
        try:
            names = frame.locals()
        except _UNREADABLE:
            continue
        for name in names:
            try:
                yield name, frame[name].type_
            except _UNREADABLE:
                continue


def _ways(name: str, kind: Any, displacement: int, behind: int | None, structures: Set[str]) -> Iterator[Way]:
    drgn = import_drgn()
    path = _pointed(drgn, kind, displacement, structures)
    if path is not None and _is_function_pointer(drgn, path.kind):
        yield Way(f"{name}->{path.said}", path.structures)
    outer = _pointed(drgn, kind, behind) if behind is not None else None
    inner = _pointed(drgn, outer.kind, displacement, structures) if outer is not None else None
    if outer is not None and inner is not None and _is_function_pointer(drgn, inner.kind):
        yield Way(f"{name}->{outer.said}->{inner.said}", inner.structures)


class _Leaf(NamedTuple):
    said: str
    kind: Any
    structures: tuple[str, ...]


def _pointed(drgn: Any, kind: Any, offset_bytes: int, structures: Set[str] = frozenset()) -> _Leaf | None:
    """The member at an offset of the structure that a pointer points to, if it is one of those named."""
    kind = _plain(drgn, kind)
    if kind.kind != drgn.TypeKind.POINTER:
        return None
    inner = _plain(drgn, kind.type)
    if structures and (inner.kind != drgn.TypeKind.STRUCT or inner.tag not in structures):
        return None
    return _leaf(drgn, inner, offset_bytes)


def _leaf(drgn: Any, kind: Any, offset_bytes: int) -> _Leaf | None:
    path = ""
    structures: list[str] = []
    for _ in range(_MAX_DEPTH):
        if kind.kind not in (drgn.TypeKind.STRUCT, drgn.TypeKind.UNION):
            return _Leaf(path, kind, tuple(structures)) if path and not offset_bytes else None
        structures.append(kind.tag or "")
        inner = _containing(drgn, kind.members or (), offset_bytes)
        if inner is None:
            return None
        path = ".".join(filter(None, (path, inner.name)))
        offset_bytes, kind = offset_bytes - inner.offset, _plain(drgn, inner.type)
    return None


def _plain(drgn: Any, kind: Any) -> Any:
    while kind.kind == drgn.TypeKind.TYPEDEF:
        kind = kind.type
    return kind


def _is_function_pointer(drgn: Any, kind: Any) -> bool:
    return bool(kind.kind == drgn.TypeKind.POINTER and _plain(drgn, kind.type).kind == drgn.TypeKind.FUNCTION)


def _program_of(types: Types, module: str | None) -> Any:
    if module not in types.programs:
        types.programs[module] = _opened(types, module)
    return types.programs[module]


def _opened(types: Types, module: str | None) -> Any:
    try:
        return open_program(import_drgn(), types.text.images[module].elf)
    except (KeepsaneError, *_UNREADABLE):
        return None  # the caller says that no member is known; why is in the frames' own failures


def _member(kind: Any, offset_bytes: int) -> Member | None:
    drgn = import_drgn()
    path, at = "", 0
    starts: list[int] = []
    names: list[str] = []
    for _ in range(_MAX_DEPTH):
        kind = _plain(drgn, kind)
        rest_bytes = offset_bytes - at
        if kind.kind == drgn.TypeKind.ARRAY:
            size_bytes = drgn.sizeof(kind.type)
            if not size_bytes:
                return None
            index = rest_bytes // size_bytes
            path, at, kind = f"{path}[{index}]", at + index * size_bytes, kind.type
        elif kind.kind in (drgn.TypeKind.STRUCT, drgn.TypeKind.UNION):
            starts.append(at)
            names.append(kind.tag or "")
            functions = _functions_in(drgn, kind, rest_bytes) if kind.kind == drgn.TypeKind.UNION else []
            if len(functions) > 1 and path:
                return _found(path, offset_bytes, starts, names)  # which member is meant, no offset says
            inner = functions[0] if functions else _containing(drgn, kind.members or (), rest_bytes)
            if inner is None:
                return None
            path = f"{path}.{inner.name}" if inner.name else path
            at, kind = at + inner.offset, inner.type
        else:
            return _found(path, offset_bytes, starts, names) if at == offset_bytes and path else None
    return None


def _found(path: str, offset_bytes: int, starts: Sequence[int], names: Sequence[str]) -> Member:
    return Member(path, tuple(offset_bytes - start for start in reversed(starts)), tuple(reversed(names)))


def _functions_in(drgn: Any, union: Any, offset_bytes: int) -> list[Any]:
    """List the members of a union that have a pointer to a function at an offset."""
    found = []
    for member in union.members or ():
        kind = _plain(drgn, member.type)
        leaf = _leaf(drgn, kind, offset_bytes)
        if _is_function_pointer(drgn, leaf.kind if leaf is not None else kind):
            found.append(member)
    return found


def _containing(drgn: Any, members: Any, offset_bytes: int) -> Any:
    before = [member for member in members if member.bit_offset // 8 <= offset_bytes]
    nearest = max((kept.bit_offset // 8 for kept in before), default=0)
    for member in before:
        # All but the offset makes drgn read the member's type, and all DWARF if that is only declared here.
        if member.bit_offset // 8 == nearest and member.bit_field_size is None:
            try:
                size_bytes = drgn.sizeof(member.type)
            except TypeError:
                continue  # an array without a length
            if offset_bytes < nearest + size_bytes:
                return member
    return None

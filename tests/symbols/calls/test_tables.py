# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of our own source, found in the bytes of vmlinux and in the relocations of a module."""

from __future__ import annotations

import pytest

from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls.objects import is_null_at
from keepsane.symbols.calls.pointer import Pointer
from keepsane.symbols.calls.tables import Site, Tables, holders, open_tables, tables_read, taken_in
from keepsane.symbols.code.text import Function, Place, Text, functions_named, instructions
from tests.symbols.calling import build

pytest.importorskip("capstone")
pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    images: dict[str | None, Image] = build(tmp_path_factory.mktemp("calling"))
    return open_tables(Text(images))


def _function(tables: Tables, name: str) -> Function:
    (found,) = functions_named(tables.text, name)
    return found


def _site(tables: Tables, caller: str, pointer: Pointer) -> Site:
    """The one call of a function, as if it read its pointer from there."""
    inside = _function(tables, caller)
    (call,) = [one for one in instructions(tables.text, inside) if one.flow == "call"]
    return Site(inside, call.address, pointer)


def _names(tables: Tables, function: str) -> set[str]:
    return {holder.name for holder in holders(tables, _function(tables, function))}


def test_what_holds_a_function_is_named_down_to_the_member(tables: Tables) -> None:
    assert _names(tables, "run") == {"single_ops.run", "steps[1]"}
    assert _names(tables, "shared") == {"first_ops.finish", "second_ops.finish"}
    assert _names(tables, "direct") == set()
    assert _names(tables, "inside") == {"module_ops.run"}
    assert _names(tables, "closed") == {"hooks[0].hook"}, "which member of a union is meant, no byte says"


def test_the_member_at_the_offset_of_one_table_is_the_one_read(tables: Tables) -> None:
    found = tables_read(tables, _function(tables, "run"), _site(tables, "member", Pointer(displacement=8)))
    assert found.used is not None and found.used.name == "single_ops.run"


def test_an_offset_that_no_member_has_proves_nothing(tables: Tables) -> None:
    found = tables_read(tables, _function(tables, "run"), _site(tables, "member", Pointer(displacement=0x30)))
    assert found.used is None and not found.is_member and len(found.possible) == 2


def test_two_tables_with_the_same_member_stay_two(tables: Tables) -> None:
    site = _site(tables, "member_of_two", Pointer(displacement=16))
    found = tables_read(tables, _function(tables, "shared"), site)
    assert found.used is None and found.is_member and len(found.possible) == 2


def test_a_null_pointer_is_told_from_one_that_the_file_or_a_relocation_fills(tables: Tables) -> None:
    for function, name in (("run", "single_ops.run"), ("inside", "module_ops.run")):
        (run,) = [one for one in holders(tables, _function(tables, function)) if one.name == name]
        start = run.variable.address  # struct ops is prepare, run, finish: single_ops has the first two
        filled = [is_null_at(tables.data, Place(run.place.module, start + at)) for at in (0, 8, 16)]
        assert filled == [name == "module_ops.run", False, True]


def test_of_what_a_file_does_not_have_nothing_is_said_to_be_null(tables: Tables) -> None:
    assert not is_null_at(tables.data, Place(None, 8)) and not is_null_at(tables.data, Place("absent", 8))


def test_code_that_takes_an_address_is_found(tables: Tables) -> None:
    assert {inside.name for inside, _ in taken_in(tables, _function(tables, "direct"))} == {"gives"}
    assert taken_in(tables, _function(tables, "run")) == ()

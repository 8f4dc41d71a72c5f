# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of kinds says what their modules say, and a line is found by it as by asking every opening."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import keepsane
from keepsane.kernel import events
from keepsane.kernel.events import foreign_code, history
from keepsane.kernel.events.pointers import null_pointer, poison
from keepsane.kernel.log.block import Opening
from keepsane.kernel.log.kinds import GATE, KINDS, Gate, find_opening
from tests.golden import CASES, events_of, read_case
from tests.lines import records

ROOMS = {
    found.name.removeprefix("keepsane.kernel.events."): import_module(found.name)
    for found in pkgutil.walk_packages(events.__path__, "keepsane.kernel.events.")
}
OPENINGS: dict[str, tuple[Opening, ...]] = {
    name: room.OPENINGS for name, room in ROOMS.items() if hasattr(room, "OPENINGS")
}
TEXTS = sorted(
    {record.text for path in CASES.glob("*/*.case") for record in records(read_case(path).log.splitlines())}
)


def test_every_module_with_openings_has_its_row_and_no_other_has_one() -> None:
    assert set(KINDS) == set(OPENINGS)


def test_a_line_is_found_as_by_asking_every_opening_in_turn() -> None:
    for text in TEXTS:
        asked = (opening for module in KINDS for opening in OPENINGS[module])
        first = next((opening for opening in asked if opening.pattern.match(text)), None)
        found = find_opening(text)
        assert (found[0] if found else None) == first, text


@pytest.mark.parametrize("module", KINDS)
def test_no_pattern_matches_a_line_without_a_literal_of_its_row(module: str) -> None:
    for text in TEXTS:
        if any(opening.pattern.match(text) for opening in OPENINGS[module]):
            assert any(literal in text for literal in KINDS[module].literals), text


def test_every_kind_that_is_said_or_asked_for_is_in_the_table_once() -> None:
    kinds = [kind for row in KINDS.values() for kind in row.kinds]
    assert len(kinds) == len(set(kinds))
    said = {event.kind for path in CASES.glob("*/*.case") for event in events_of(read_case(path).log)}
    sources = [path.read_text(encoding="utf-8") for path in Path(keepsane.__path__[0]).rglob("*.py")]
    compared = (line for source in sources for line in re.findall(r"event\.kind .*", source))
    asked = {kind for line in compared for kind in re.findall(r'"([a-z-]+)"', line)}
    asked |= foreign_code._NO_CULPRIT | history._AFTERMATH | {*null_pointer._FAULTS, *poison._FAULTS}
    asked |= {kind for _, ended, _ in history._ENDS for kind in ended}
    assert said | asked <= set(kinds)


@given(st.text("BUG: KASNMx0 ", max_size=60))
def test_the_gate_holds_what_stands_in_a_text(text: str) -> None:
    literals = ["BUG: ", "BUG: KAS", "BUG: KASAN", "KASAN", "NMx0", " x000", "00"]
    gate = Gate(literals)
    held = gate.held(text)
    assert held == {literal for literal in literals if literal in text}
    assert not held or gate.search(text)


def test_a_line_of_a_boot_passes_the_gate_by() -> None:
    assert (
        GATE.search("[    0.350012] pci 0000:00:01.3: quirk: [io  0x0600-0x063f] claimed by PIIX4 ACPI")
        is None
    )


def test_a_warning_loads_no_kind_that_it_is_not() -> None:
    program = (
        "import sys; from keepsane.kernel.log.kinds import find_opening;"
        "assert find_opening('WARNING: CPU: 0 PID: 1 at mm/slub.c:5 kfree+0x1/0x2');"
        "print(*(name for name in sys.argv[1:] if f'keepsane.kernel.events.{name}' in sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", program, *KINDS], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["warning.warning"]

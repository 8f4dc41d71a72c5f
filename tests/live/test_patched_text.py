# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the running kernel changed in itself lies where its own tables say so.

A guest copied its text and that of edges.ko from /proc/kcore to a disk (tests/live/edges-init). Every byte
that differs from the file must be a site of symbols/code/patch_tables.py, an address that KASLR moved or, in
the module, a relocation. What stands in a site must be one of the contents that
symbols/identity/run_time_bytes.py gives for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import ne
from pathlib import Path
from typing import NamedTuple

import pytest

from keepsane.model import Code
from keepsane.symbols.binary.elf import read_elf
from keepsane.symbols.binary.symtab import SymbolTable, read_symbols
from keepsane.symbols.code.patch_tables import (
    PatchSite,
    PatchTables,
    bytes_at,
    patch_sites,
    read_patch_tables,
)
from keepsane.symbols.code.patched import Patched
from keepsane.symbols.identity.codematch import match_code
from keepsane.symbols.identity.kaslr import Window, memory_of
from keepsane.symbols.identity.run_time_bytes import site_contents, unpredicted
from tests.live.edges import VARIANTS
from tests.live.guests import Guest, boot_edges

pytestmark = pytest.mark.live
PAGE_BYTES = 4096
CHUNK_BYTES = 1 << 18
CONTEXT_BYTES = 64
NO_TABLES = PatchTables((), ())


class Compared(NamedTuple):
    """How many bytes differ in sites that may be patched, and where in the file others differ."""

    changed_bytes: int
    different: tuple[int, ...]


class Copied(NamedTuple):
    """Bytes of a running kernel and the address where they stood."""

    address: int
    data: bytes


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    boot_edges()


def copied(guest: Guest, variant: str) -> dict[str, Copied]:
    """What the guest wrote: lines `NAME ADDRESS FIRST_PAGE PAGES`, and pages from each address' page on."""
    disk = guest.log(f"{variant}/edges").with_suffix(".text").read_bytes()
    found = {}
    for line in disk[:PAGE_BYTES].rstrip(b"\0").decode().splitlines():
        name, address, first, pages = line.split()
        start = int(first) * PAGE_BYTES + int(address, 16) % PAGE_BYTES
        found[name] = Copied(int(address, 16), disk[start : (int(first) + int(pages)) * PAGE_BYTES])
    return found


def sections(symbols: SymbolTable) -> dict[str, range]:
    """Where each section of text stands in the file's addresses."""
    return {
        section.name: range(address, address + section.size_bytes)
        for address, section in zip(symbols.section_addresses, symbols.sections, strict=True)
        if section.is_text and address
    }


def unpatched(file: bytes, text: bytes, start: int, patches: PatchTables) -> bytes:
    """The running text with the file's bytes back in every site that may have been patched."""
    result, padded = bytearray(text), bytes(CONTEXT_BYTES) + file + bytes(CONTEXT_BYTES)
    for at in range(0, len(file), CHUNK_BYTES):
        code = padded[at : at + CHUNK_BYTES + 2 * CONTEXT_BYTES]
        for site in patch_sites(patches, start + at - CONTEXT_BYTES, code, CONTEXT_BYTES):
            # Call depth tracking moves these, and none of the guests has it.
            if site.table != ".call_sites":
                first, last = max(site.address - start, 0), site.address - start + site.size_bytes
                result[first:last] = file[first:last]
    return bytes(result[: len(file)])


def compare(binary: Path, text: Copied, section: str) -> Compared:
    """The running bytes of a section against the file's: sites first, then what moved with the kernel."""
    elf = read_elf(binary)
    symbols = read_symbols(elf)
    place = sections(symbols)[section]
    file, running = bytes_at(elf, symbols, place.start, len(place)), text.data[: len(place)]
    assert len(file) == len(running)
    rest = unpatched(file, running, place.start, read_patch_tables(elf, symbols))
    different = []
    for at in range(0, len(rest), CHUNK_BYTES):
        code = Code(line=1, data=rest[at : at + CHUNK_BYTES], trap_bytes=0, word_bytes=1)
        found = match_code(elf, symbols, NO_TABLES, code, place.start + at, text.address - place.start)
        assert found is not None
        different += [place.start + at + position for position in found.different]
    return Compared(sum(map(ne, running, rest)), tuple(different))


def overlapping(sites: list[PatchSite]) -> Iterator[list[PatchSite]]:
    """Sites in the order of their addresses, those together that overlap each other."""
    group: list[PatchSite] = []
    end = 0
    for site in sites:
        if group and site.address >= end:
            yield group
            group, end = [], 0
        group.append(site)
        end = max(end, site.address + site.size_bytes)
    if group:
        yield group


def all_sites(patches: PatchTables, start: int, file: bytes) -> list[PatchSite]:
    padded, found = bytes(CONTEXT_BYTES) + file + bytes(CONTEXT_BYTES), set[PatchSite]()
    for at in range(0, len(file), CHUNK_BYTES):
        code = padded[at : at + CHUNK_BYTES + 2 * CONTEXT_BYTES]
        found.update(patch_sites(patches, start + at - CONTEXT_BYTES, code, CONTEXT_BYTES))
    return sorted(found)


def judge(binary: Path, text: Copied, section: str) -> tuple[Counter[str], Counter[str]]:
    """How many sites run with other bytes than the file's: the predicted ones by table, then the others."""
    elf = read_elf(binary)
    symbols = read_symbols(elf)
    place = sections(symbols)[section]
    file, running = bytes_at(elf, symbols, place.start, len(place)), text.data[: len(place)]
    patched, memory = Patched(elf, symbols, read_patch_tables(elf, symbols)), memory_of(elf, symbols)
    predicted, others = Counter[str](), Counter[str]()
    for group in overlapping(all_sites(patched.patches, place.start, file)):
        first = group[0].address - place.start
        last = max(site.address + site.size_bytes for site in group) - place.start
        if running[first:last] != file[first:last]:
            window = Window(place.start + first, running[first:last], b"", frozenset(), memory)
            odd = set(unpredicted(patched, group, window, text.address - place.start).values())
            others.update(site.table for site in odd)
            predicted.update(
                site.table
                for site in group
                if site not in odd
                and site_contents(patched, site) is not None
                and differs(site, place, file, running)
            )
    return predicted, others


def differs(site: PatchSite, place: range, file: bytes, running: bytes) -> bool:
    part = slice(site.address - place.start, site.address - place.start + site.size_bytes)
    return file[part] != running[part]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_changed_site_of_the_kernel_has_a_predicted_content(variant: str, guest: Guest) -> None:
    predicted, others = judge(guest.vmlinux, copied(guest, variant)["kernel"], ".text")
    assert others == Counter()
    assert predicted["__mcount_loc"] > 30_000
    assert predicted[".altinstructions"] > 1000
    assert (predicted[".retpoline_sites"] > 1000) == (variant != "thunk")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_changed_site_of_a_module_has_a_predicted_content(variant: str, guest: Guest) -> None:
    for name, text in copied(guest, variant).items():
        if name.startswith("edges."):
            _, others = judge(guest.modules / "edges.ko", text, name.removeprefix("edges"))
            assert others == Counter()


def test_a_content_that_no_site_may_have_is_seen(guest: Guest) -> None:
    text = copied(guest, "thunk")["edges.text"]
    inverted = text._replace(data=bytes(byte ^ 0xFF for byte in text.data))
    predicted, others = judge(guest.modules / "edges.ko", inverted, ".text")
    assert others["__mcount_loc"] > 10
    assert predicted["__mcount_loc"] == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_changed_bytes_of_the_kernel_lie_in_its_tables(variant: str, guest: Guest) -> None:
    found = compare(guest.vmlinux, copied(guest, variant)["kernel"], ".text")
    assert [hex(address) for address in found.different] == []
    assert found.changed_bytes > 100_000  # every function's entry alone


@pytest.mark.parametrize("variant", VARIANTS)
def test_changed_bytes_of_a_module_lie_in_its_tables(variant: str, guest: Guest) -> None:
    texts = {
        name.removeprefix("edges"): text
        for name, text in copied(guest, variant).items()
        if name.startswith("edges.")
    }
    assert ".text" in texts
    for section, text in texts.items():
        found = compare(guest.modules / "edges.ko", text, section)
        assert [hex(address) for address in found.different] == []


def test_bytes_outside_the_tables_are_seen(guest: Guest) -> None:
    text = copied(guest, "thunk")["edges.text"]
    inverted = text._replace(data=bytes(byte ^ 0xFF for byte in text.data))
    found = compare(guest.modules / "edges.ko", inverted, ".text")
    assert len(found.different) > found.changed_bytes > 0


def test_indirect_calls_run_in_three_forms(guest: Guest) -> None:
    texts = {variant: copied(guest, variant)["kernel"].data for variant in VARIANTS}
    plain, behind_lfence = b"\xff\xd0\x0f\x1f\x00", b"\x0f\xae\xe8\xff\xd0"  # call *%rax
    found = {
        variant: (text.count(plain) > 100, text.count(behind_lfence) > 100) for variant, text in texts.items()
    }
    assert found == {"thunk": (False, False), "off": (True, False), "lfence": (False, True)}

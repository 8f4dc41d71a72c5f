# SPDX-License-Identifier: GPL-2.0-or-later
"""gcc's objects decoded; addr2line, nm and the line numbers written into the source are the truth."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard

from keepsane.errors import SymbolError
from keepsane.symbols.binary.image import open_image

pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")


def _line_of(path: Path, function: str) -> list[tuple[str, int | None]]:
    image = open_image(path)
    (symbol,) = image.symbols([function])[function]
    addresses = range(symbol.address, symbol.address + symbol.size_bytes)
    chains = image.locate(addresses).values()
    deepest = max(chains, key=len)
    return [(line.function, line.line) for line in deepest]


@pytest.mark.parametrize("file", ["tiny.ko", "vmlinux"])
def test_an_inlined_call_is_said_from_the_inside_out(build: Path, file: str) -> None:
    assert _line_of(build / file, "outer") == [("innermost", 5), ("middle", 10), ("outer", 15)]


def test_every_text_section_of_a_module_is_told_apart(build: Path) -> None:
    image = open_image(build / "tiny.ko")
    for function, line in (("rare", 31), ("at_start", 37), ("last", 44)):
        (symbol,) = image.symbols([function])[function]
        chains = image.locate(range(symbol.address, symbol.address + symbol.size_bytes)).values()
        assert line in {one.line for chain in chains for one in chain if one.function == function}


def test_lines_are_those_of_addr2line(build: Path) -> None:
    if shutil.which("addr2line") is None:
        pytest.skip("addr2line is not installed")
    image = open_image(build / "vmlinux")
    addresses = [
        address
        for symbols in image.symbols(["outer", "rare", "last", "twin"]).values()
        for symbol in symbols
        for address in range(symbol.address, symbol.address + 12)
    ]
    said = subprocess.run(
        ["addr2line", "-i", "-f", "-a", "-e", build / "vmlinux", *(f"{one:x}" for one in addresses)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert _as_addr2line(image.locate(addresses), addresses) == [
        line.split(" (disc")[0] for line in said.replace("/", "\n").split("\n") if _counts(line)
    ]


def _counts(line: str) -> bool:
    return line.startswith("0x") or ".c:" in line


def _as_addr2line(chains: object, addresses: list[int]) -> list[str]:
    assert isinstance(chains, dict)
    said = []
    for address in addresses:
        said.append(f"0x{address:016x}")
        said += [f"{Path(line.file).name}:{line.line or '?'}" for line in chains[address]]
    return said


def test_a_size_counts_up_to_the_next_symbol(build: Path) -> None:
    image = open_image(build / "vmlinux")
    said = subprocess.run(["nm", "-n", build / "vmlinux"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in said.splitlines()]
    for (start, _, name), (end, *_) in itertools.pairwise(rows):
        if name in ("outer", "never_returns", "ends_in_a_call"):
            (symbol,) = image.symbols([name])[name]
            assert (symbol.address, symbol.size_bytes, symbol.exact) == (
                int(start, 16),
                int(end, 16) - int(start, 16),
                True,
            )


def test_the_last_function_of_a_module_section_has_at_least_its_size(build: Path) -> None:
    (symbol,) = open_image(build / "tiny.ko").symbols(["rare"])["rare"]
    assert not symbol.exact
    assert symbol.section == ".text.unlikely"


def test_all_functions_of_a_name_are_found(build: Path) -> None:
    symbols = open_image(build / "tiny.ko").symbols(["twin", "no_such"])
    assert len(symbols["twin"]) == 3
    assert symbols["no_such"] == ()


def test_many_names_at_once_give_what_each_gives_alone(build: Path) -> None:
    names = ["outer", "twin", "rare", "last", *(f"absent_{number}" for number in range(100))]
    together = open_image(build / "tiny.ko").symbols(names)
    alone = open_image(build / "tiny.ko")
    assert together == {name: alone.symbols([name])[name] for name in names}


def test_the_function_around_an_address(build: Path) -> None:
    image = open_image(build / "vmlinux")
    (symbol,) = image.symbols(["outer"])["outer"]
    found = image.containing([symbol.address, symbol.address + 3, symbol.address - (1 << 30), 0, 2**64 - 1])
    assert found == {symbol.address: symbol, symbol.address + 3: symbol}


def test_a_large_batch_is_the_same_as_its_parts(build: Path) -> None:
    image = open_image(build / "vmlinux")
    (symbol,) = image.symbols(["outer"])["outer"]
    addresses = range(symbol.address - 500, symbol.address + 500)
    whole = image.locate(addresses)
    assert whole == {one: chain for part in _parts(addresses) for one, chain in image.locate(part).items()}


def _parts(addresses: range) -> list[range]:
    return [addresses[start : start + 250] for start in range(0, len(addresses), 250)]


def _packed(path: Path, suffix: str) -> bytes:
    content = path.read_bytes()
    if suffix == ".gz":
        return gzip.compress(content)
    return lzma.compress(content) if suffix == ".xz" else zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_compressed_module_decodes_as_the_plain_one(build: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tiny.ko{suffix}"
    path.write_bytes(_packed(build / "tiny.ko", suffix))
    assert _line_of(path, "outer") == _line_of(build / "tiny.ko", "outer")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_damaged_archive_is_one_sentence(build: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tiny.ko{suffix}"
    path.write_bytes(_packed(build / "tiny.ko", suffix)[:-200])
    with pytest.raises(
        SymbolError, match=r"tiny\.ko\.\w+ (cannot be unpacked|is truncated|is no ELF|is a damaged)"
    ):
        open_image(path)


def test_a_file_cut_anywhere_is_a_sentence_or_decodes(build: Path, tmp_path: Path) -> None:
    content = (build / "tiny.ko").read_bytes()
    path = tmp_path / "cut.ko"
    for end in range(0, len(content), max(len(content) // 200, 1)):
        path.write_bytes(content[:end])
        with pytest.raises(SymbolError, match=r"cut\.ko"):
            open_image(path)


def test_a_file_with_bytes_changed_never_raises_anything_else(build: Path, tmp_path: Path) -> None:
    content = bytearray((build / "tiny.ko").read_bytes())
    path = tmp_path / "odd.ko"
    header = range(16, 64)
    sections = range(len(content) - 40 * 64, len(content), 7)
    for position in (*header, *sections):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        path.write_bytes(changed)
        with contextlib.suppress(SymbolError):
            open_image(path).symbols(["outer", "twin"])


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(90)])
def test_what_is_no_kernel_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(content)
    with pytest.raises(SymbolError, match="vmlinux is no"):
        open_image(path)


def test_a_stripped_file_and_one_without_dwarf_are_said(build: Path, tmp_path: Path) -> None:
    shutil.copy(build / "vmlinux", tmp_path / "bare")
    subprocess.run(["strip", "-g", tmp_path / "bare"], check=True)
    with pytest.raises(SymbolError, match="has no debug information"):
        open_image(tmp_path / "bare").locate([0xFFFFFFFF81000000])
    subprocess.run(["strip", tmp_path / "bare"], check=True)
    with pytest.raises(SymbolError, match="no symbol table"):
        open_image(tmp_path / "bare").symbols(["outer"])


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SymbolError, match="nowhere cannot be read"):
        open_image(tmp_path / "nowhere")


def test_the_first_line_of_a_section_is_not_the_last_of_the_one_before(tmp_path: Path) -> None:
    if shutil.which("gcc") is None or shutil.which("ld") is None:
        pytest.skip("gcc and ld are not installed, and the objects to decode are built here")
    # .exit.text begins where .text would end, were they packed: 32 bytes, the alignment 1.
    (tmp_path / "m.s").write_text(
        '.file 1 "m.c"\n.section .text\n.type a, @function\na: .loc 1 10\n.fill 32, 1, 0x90\n'
        '.section .exit.text, "ax"\n.type b, @function\nb: .loc 1 20\n.fill 8, 1, 0x90\n.loc 1 21\nret\n'
    )
    subprocess.run(["gcc", "-gdwarf-5", "-c", "m.s", "-o", "m.ko"], cwd=tmp_path, check=True)
    image = open_image(tmp_path / "m.ko")
    (before,), (behind,) = image.symbols(["a", "b"])["a"], image.symbols(["a", "b"])["b"]
    assert behind.address - before.address > before.size_bytes

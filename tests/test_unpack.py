# SPDX-License-Identifier: GPL-2.0-or-later
"""gzip, xz and zstd are read alike: whole, cut, several in one file, with something else behind them."""

from __future__ import annotations

import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.kernel.log.input import read_log

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "zstd without sizes": lambda data: _streamed(data),
}
LINES = [f"[    1.{number:06d}] a line with the number {number * number}" for number in range(6_000)]
LOG = "".join(f"{line}\n" for line in LINES).encode()
SKIPPABLE = b"\x5e\x2a\x4d\x18\x05\x00\x00\x00skip!"
EACH = pytest.mark.parametrize("pack", PACK.values(), ids=PACK.keys())


def _streamed(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return packer.compress(data) + packer.flush()


def read(tmp_path: Path, data: bytes) -> tuple[list[str], str]:
    """Give the lines, and what was said of damage."""
    path = tmp_path / "log"
    path.write_bytes(data)
    lines: list[str] = []
    try:
        lines.extend(read_log(str(path)))
    except InputError as error:
        return lines, str(error)
    return lines, ""


@EACH
def test_a_whole_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    assert read(tmp_path, pack(LOG)) == (LINES, "")


@EACH
@pytest.mark.parametrize("between", [b"", b"\0" * 1024])
def test_several_in_one_file(tmp_path: Path, pack: Callable[[bytes], bytes], between: bytes) -> None:
    assert read(tmp_path, pack(LOG) + between + pack(LOG) + between) == (LINES * 2, "")


@EACH
@pytest.mark.parametrize("rest", [b"garbage\n", b"x", b"\0\0garbage"])
def test_what_stands_behind_is_said(tmp_path: Path, pack: Callable[[bytes], bytes], rest: bytes) -> None:
    lines, said = read(tmp_path, pack(LOG) + rest)

    assert lines == LINES
    assert "something else stands behind its" in said
    assert "the lines before it were read" in said


@EACH
def test_the_last_line_may_lack_its_end(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    assert read(tmp_path, pack(LOG[:-1]) + b"garbage")[0] == LINES


@EACH
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_cut_file_gives_what_it_holds(tmp_path: Path, pack: Callable[[bytes], bytes], part: float) -> None:
    packed = pack(LOG)
    lines, said = read(tmp_path, packed[: int(len(packed) * part)])

    assert lines[:-1] == LINES[: len(lines) - 1]
    assert "it ends inside a" in said


@EACH
def test_a_damaged_file_is_said(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = bytearray(pack(LOG))
    packed[len(packed) * 3 // 4] ^= 0x55

    assert "is damaged" in read(tmp_path, bytes(packed))[1]


def test_frames_to_be_skipped_stand_anywhere(tmp_path: Path) -> None:
    """pzstd begins with one."""
    packed = PACK["zstd"](LOG)

    assert read(tmp_path, SKIPPABLE + packed + SKIPPABLE * 2 + packed + SKIPPABLE) == (LINES * 2, "")


@pytest.mark.parametrize("name", ["xz", "zstd without sizes"])
def test_a_dictionary_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("keepsane.unpack.MAX_DICTIONARY_BYTES", 1 << 20)

    assert "emory" in read(tmp_path, PACK[name](LOG))[1]


@EACH
def test_packed_twice_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    assert "packed twice" in read(tmp_path, pack(pack(LOG)))[1]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(PACK)), st.binary(max_size=300), st.binary(max_size=30), st.integers(0, 300))
def test_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, rest: bytes, cut: int
) -> None:
    read(tmp_path_factory.mktemp("any"), PACK[name](data)[:cut] + rest)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
from keepsane.kernel.log.input import read_log
print(sum(len(line) for line in read_log(sys.argv[1])))
"""


@EACH
def test_what_unpacks_to_much_takes_no_memory(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack(b"a" * (100 << 20)))
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, timeout=300)

    assert (done.stdout.strip(), done.stderr) == (str(1 << 20), "")

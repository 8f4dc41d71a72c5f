# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from keepsane.errors import KeepsaneError, MissingExtraError, SymbolError
from keepsane.symbols.binary import workers
from keepsane.symbols.binary.dwarf import read_chains
from keepsane.symbols.binary.elf import read_elf
from keepsane.symbols.binary.workers import read_chains_in_parallel

MANY = range(0xFFFFFFFF81000000, 0xFFFFFFFF81000000 + 2000)


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.usefixtures("two_processors")
def test_several_processes_say_what_one_says(build: Path) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    elf = read_elf(build / "vmlinux")
    assert read_chains_in_parallel(elf, MANY) == read_chains(elf, [MANY])


@pytest.mark.usefixtures("two_processors")
@pytest.mark.parametrize("allowed", [0, 1])
def test_who_may_start_no_more_processes_gets_every_answer(
    build: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    fork = os.fork
    started: list[int] = []

    def fork_while_allowed() -> int:
        if len(started) == allowed:
            raise BlockingIOError
        started.append(fork())
        return started[-1]

    monkeypatch.setattr(os, "fork", fork_while_allowed)
    elf = read_elf(build / "vmlinux")
    assert read_chains_in_parallel(elf, MANY) == read_chains(elf, [MANY])
    assert len(started) == allowed


@pytest.mark.usefixtures("two_processors")
def test_a_process_that_dies_is_said(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "read_chains", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(SymbolError, match="vmlinux: a process that decoded it died"):
        read_chains_in_parallel(read_elf(build / "vmlinux"), MANY)


@pytest.mark.usefixtures("two_processors")
def test_an_error_in_a_process_is_the_callers(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeepsaneError("this file is odd")

    monkeypatch.setattr(workers, "read_chains", fail)
    with pytest.raises(SymbolError, match="this file is odd"):
        read_chains_in_parallel(read_elf(build / "vmlinux"), MANY)


@pytest.mark.parametrize("addresses", [MANY[:1], MANY])
def test_a_missing_drgn_is_one_sentence_that_says_what_to_install(
    build: Path, monkeypatch: pytest.MonkeyPatch, addresses: range
) -> None:
    monkeypatch.setitem(sys.modules, "drgn", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'keepsane\[symbols\]'"):
        read_chains_in_parallel(read_elf(build / "vmlinux"), addresses)

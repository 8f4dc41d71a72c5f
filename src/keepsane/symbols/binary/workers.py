# SPDX-License-Identifier: GPL-2.0-or-later
"""
A large batch of addresses is decoded by as many processes as there are processors.

The children are forked before drgn has opened the file here, since its threads do not survive a fork. Each
takes the next small share when it has done one, so that all end at the same time.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterator, Sequence

from keepsane.errors import KeepsaneError, SymbolError
from keepsane.symbols.binary.dwarf import Chain, import_drgn, read_chains
from keepsane.symbols.binary.elf import Elf
from keepsane.symbols.binary.pages import pack_pages, unpack_pages

_WORTH_A_FORK = 600
_MAX_WORKERS = 16
_SHARES_EACH = 12
_MAX_SHARES = 256  # the number of a share is one byte


def read_chains_in_parallel(elf: Elf, addresses: Collection[int]) -> dict[int, Chain]:
    """
    Decode each address exactly as it stands, as read_chains() does, a large batch on every processor.

    Raises what read_chains() raises, and SymbolError where a worker died.
    """
    # In order: what one compilation unit says of several addresses is then read once.
    ordered = sorted(set(addresses))
    workers = min(os.cpu_count() or 1, _MAX_WORKERS, len(ordered) // (_WORTH_A_FORK // 2))
    # A fork copies only the calling thread: whoever has others keeps its locks and decodes alone.
    if len(ordered) < _WORTH_A_FORK or workers < 2 or threading.active_count() > 1:
        return read_chains(elf, [ordered])
    import_drgn()  # once, for all children
    shares = _shares(ordered, workers * _SHARES_EACH)
    turns = _turns(len(shares))
    started = list(filter(None, (_start(elf, shares, turns) for _ in range(workers))))
    os.close(turns)
    if not started:
        return read_chains(elf, [ordered])
    wanted = set(ordered)
    chains: dict[int, Chain] = {}
    problems = []
    for child, pipe in started:
        try:
            chains |= _collect(elf, child, pipe, wanted)
        except KeepsaneError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    return chains


def _shares(ordered: Sequence[int], wanted: int) -> list[Sequence[int]]:
    size = -(-len(ordered) // min(wanted, _MAX_SHARES))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _turns(count: int) -> int:
    """Make a pipe that holds one byte for each share: whoever reads it has the share to himself."""
    receive, send = os.pipe()
    os.write(send, bytes(range(count)))
    os.close(send)
    return receive


def _start(elf: Elf, shares: Sequence[Sequence[int]], turns: int) -> tuple[int, int] | None:
    receive, send = os.pipe()
    try:
        child = os.fork()
    except OSError:  # no more processes allowed: those that there are take all shares
        os.close(receive)
        os.close(send)
        return None
    if child:
        os.close(send)
        return child, receive
    # The child: whatever happens, it must not return into the caller's code.
    code = 1
    try:
        os.close(receive)
        with os.fdopen(send, "wb") as pipe:
            pipe.write(_answer(elf, _taken(shares, turns)))
        code = 0
    finally:
        os._exit(code)


def _taken(shares: Sequence[Sequence[int]], turns: int) -> Iterator[Sequence[int]]:
    while turn := os.read(turns, 1):
        yield shares[turn[0]]


def _answer(elf: Elf, shares: Iterator[Sequence[int]]) -> bytes:
    try:
        chains = read_chains(elf, shares)
    except KeepsaneError as problem:
        return json.dumps(str(problem)).encode()
    return json.dumps([*pack_pages(chains).values()]).encode()


def _collect(elf: Elf, child: int, pipe: int, wanted: set[int]) -> dict[int, Chain]:
    with os.fdopen(pipe, "rb") as stream:
        content = stream.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise SymbolError(f"{elf.path}: a process that decoded it died (status {status}); free some memory")
    answer = json.loads(content)
    if isinstance(answer, str):
        raise SymbolError(answer)
    return unpack_pages(answer, wanted)

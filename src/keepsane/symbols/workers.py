# SPDX-License-Identifier: GPL-2.0-or-later
"""
A large batch of addresses is decoded by as many processes as there are processors.

The children are forked before drgn has opened the file here, since its threads do not survive a fork.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence

from keepsane.errors import KeepsaneError, SymbolError
from keepsane.model import SourceLine
from keepsane.symbols.dwarf import Chain, import_drgn, read_chains
from keepsane.symbols.elf import Elf

_WORTH_A_FORK = 600
_MAX_WORKERS = 16


def read_chains_in_parallel(elf: Elf, addresses: Sequence[int]) -> dict[int, Chain]:
    """
    Decode each address exactly as it stands, as read_chains() does, a large batch on every processor.

    Raises what read_chains() raises, and SymbolError where a worker died.
    """
    ordered = sorted(set(addresses))
    workers = min(os.cpu_count() or 1, _MAX_WORKERS, len(ordered) // (_WORTH_A_FORK // 2))
    # A fork copies only the calling thread: whoever has others keeps its locks and decodes alone.
    if len(ordered) < _WORTH_A_FORK or workers < 2 or threading.active_count() > 1:
        return read_chains(elf, ordered)
    import_drgn()  # once, for all children
    share = -(-len(ordered) // workers)
    parts = [ordered[start : start + share] for start in range(0, len(ordered), share)]
    started = [_start(elf, part) for part in parts]
    chains: dict[int, Chain] = {}
    problems = []
    for child, pipe in started:
        try:
            chains |= _collect(elf, child, pipe)
        except KeepsaneError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    return chains


def _start(elf: Elf, addresses: Sequence[int]) -> tuple[int, int]:
    receive, send = os.pipe()
    child = os.fork()
    if child:
        os.close(send)
        return child, receive
    # The child: whatever happens, it must not return into the caller's code.
    code = 1
    try:
        os.close(receive)
        with os.fdopen(send, "wb") as pipe:
            pipe.write(_answer(elf, addresses))
        code = 0
    finally:
        os._exit(code)


def _answer(elf: Elf, addresses: Sequence[int]) -> bytes:
    try:
        chains = read_chains(elf, addresses)
    except KeepsaneError as problem:
        return json.dumps(str(problem)).encode()
    return json.dumps([(address, pack_chain(chain)) for address, chain in chains.items()]).encode()


def _collect(elf: Elf, child: int, pipe: int) -> dict[int, Chain]:
    with os.fdopen(pipe, "rb") as stream:
        content = stream.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise SymbolError(f"{elf.path}: a process that decoded it died (status {status}); free some memory")
    answer = json.loads(content)
    if isinstance(answer, str):
        raise SymbolError(answer)
    return {address: unpack_chain(chain) for address, chain in answer}


Packed = list[tuple[str, str | None, int | None, int | None, bool]]
"""A chain as JSON holds it: function, file, line, column and inlined of each level."""


def pack_chain(chain: Chain) -> Packed:
    """Turn a chain into what json can write."""
    return [(one.function, one.file, one.line, one.column, one.inlined) for one in chain]


def unpack_chain(packed: Packed) -> Chain:
    """Turn what pack_chain() made back into a chain."""
    return tuple(
        SourceLine(function=function, file=file, line=line, column=column, inlined=inlined)
        for function, file, line, column, inlined in packed
    )

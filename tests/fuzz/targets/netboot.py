# SPDX-License-Identifier: GPL-2.0-or-later
"""
The port that machines ask: the input is a request, a machine's file and what make wrote, in that order.

    GET /w?m=52-54-00-12-34-56 HTTP/1.1\\r\\n\\r\\n\\xffcommand_line = 'a && b'\\xff  CC  init/main.o

Whatever is answered must be an answer; a script must run in iPXE as what we wrote, whatever is in its texts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from keepsane.errors import KeepsaneError
from keepsane.listen.answer import write_head
from keepsane.listen.request import BadRequestError, parse_request
from keepsane.machine.machine import read_machine
from keepsane.netboot.history import History
from keepsane.netboot.store import Store
from keepsane.services import netboot_server
from tests.fuzz.targets.target import Target, require_plain
from tests.ipxe_script import Booted, IpxeError, Machine, Stopped

BETWEEN = b"\xff"
_ASK = b"GET /w?m=52-54-00-12-34-56 HTTP/1.1\r\nHost: a:1\r\n\r\n"
_FILE = b'mac = "52:54:00:12:34:56"\n'


def feed(data: bytes, folder: Path) -> None:
    """Answer the request, and as a machine whose file and build are these."""
    request, file, made = (*data.split(BETWEEN, 2), b"", b"")[:3]
    (folder / "box.toml").write_bytes(file if file.strip() else _FILE)
    with suppress(KeepsaneError):
        require_plain(repr(read_machine(folder / "box.toml")))
    netboot_server.HOLD_SECONDS = 0.0
    with closing(History(folder / "kept")) as history:
        asyncio.run(_served(history, folder, request, made.decode("utf-8", "replace")))


async def _served(history: History, folder: Path, request: bytes, text: str) -> None:
    store = Store(folder / "kept")
    server = netboot_server.NetbootServer(store, history, folder, lambda said: None)
    await _answered(server, request)
    (folder / "bzImage").write_bytes(b"kernel")
    number = history.begin("box", text)
    history.progress(number, text)
    await _answered(server, _ASK)
    history.fail(number, text)
    await _answered(server, _ASK)
    said: dict[str, Any] = {"release": text, "number": "#1", "banner": text, "build_id": None}
    build = store.publish(
        {"kernel": folder / "bzImage"}, {**said, "tree": text, "commit": "", "subject": text}
    )
    history.offer("box", build.id)
    await _answered(server, _ASK)


async def _answered(server: netboot_server.NetbootServer, head: bytes) -> None:
    try:
        request = parse_request(head, "10.0.2.15")
    except BadRequestError:
        return
    answer = (await server.answer(request)).part(request.headers.get("range"))
    write_head(answer, stays=True)
    assert answer.status in (200, 400, 403, 404, 405, 409, 413, 416, 503), answer.status
    if answer.status == 200 and isinstance(answer.body, bytes):
        assert answer.body.startswith(b"#!ipxe\n"), "a BIOS would run this as machine code"
        await _run(answer.body.decode("ascii"))


async def _run(script: str) -> None:
    """Run it as iPXE does; a word from outside that became a command is an AssertionError."""
    asked: list[str] = []

    async def fetch(url: str, seconds: float | None) -> bytes:
        asked.append(url)
        if len(asked) > 3 or "/w?" in url or url.startswith("w?"):
            raise IpxeError(0x4C0C6035)
        return b"file"

    async def sleep(seconds: float) -> None:
        if len(asked) > 2:
            raise IpxeError(1)

    settings = {"net0/ip": "10.0.2.15", "net0/mac:hexhyp": "52-54-00-12-34-56", "platform": "pcbios"}
    machine = Machine(fetch, sleep, settings)
    end = await machine.run(script)
    assert isinstance(end, Booted | Stopped)
    assert all(line.isascii() and len(line) <= 400 for line in machine.shown)


def seeds() -> Iterator[bytes]:
    """Each kind of request, each setting of a file, and texts that are commands elsewhere."""
    yield BETWEEN.join((_ASK, _FILE, b"  CC      init/main.o"))
    for path in (b"/s", b"/f/0/kernel", b"/../etc/passwd", b"/w?m=x&b=1", b"/w?e=0x7f04818f&k=9"):
        yield b"HEAD " + path + b" HTTP/1.0\nRange: bytes=0-1\n\n"
    yield BETWEEN.join(
        (_ASK, _FILE + b"command_line = 'a ${uuid} && ${net0/ip} || c'", b"&& exit ${x} || \\")
    )
    yield BETWEEN.join((_ASK, _FILE + b'policy = "last-good"\ninitrd = "box.toml"', b"\xe2\x80\xae\x1b[2J"))


NETBOOT = Target(feed, seeds)

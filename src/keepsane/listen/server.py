# SPDX-License-Identifier: GPL-2.0-or-later
"""
The server itself: one connection after the other through a handler, within limits.

A handler takes a Request and gives an Answer; it may wait, which is how a machine is held. Whoever sends
nothing, reads nothing or opens too many connections loses theirs, and nobody else's.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import sys
import termios
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from keepsane.listen.answer import Answer, FileBody, write_head
from keepsane.listen.request import BadRequestError, Request, parse_request

Handler = Callable[[Request], Awaitable[Answer]]

_PIECE_BYTES = 1 << 20
"""So much of a file is sent before it is looked whether the client still takes any."""
_ARRIVAL_SECONDS = 0.005
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may take; `idle_seconds` and `stalled_seconds` are of silence, the others of all."""

    head_bytes: int = 8 << 10
    head_seconds: float = 10.0
    body_bytes: int = 1 << 20
    body_seconds: float = 10.0
    idle_seconds: float = 75.0
    stalled_seconds: float = 30.0
    connections: int = 256
    connections_of_one: int = 64


class Server:
    """Serves on sockets that are bound already; `close` ends it."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        """Take the handler and the limits."""
        self._handler = handler
        self._limits = limits
        self._by_peer: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._idle: dict[asyncio.Task[None], str] = {}
        """Who has not asked yet, by its address; the one that is silent longest first."""

    async def start(self, *sockets: socket.socket) -> None:
        """Begin to serve on sockets."""
        for bound in sockets:
            started = await asyncio.start_server(self._connected, sock=bound, limit=self._limits.head_bytes)
            self._servers.append(started)

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        task = asyncio.current_task()
        if task is None or (self._is_full(peer) and not self._made_room(peer)):
            writer.transport.abort()
            return
        self._tasks.add(task)
        self._by_peer[peer] += 1
        try:
            await self._serve(reader, writer, peer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # it went away, or took too long: nobody is there to be told
        except asyncio.CancelledError:
            pass  # close() ended it; Python 3.11 writes a traceback for a connection that is cancelled
        finally:
            self._tasks.discard(task)
            self._idle.pop(task, None)
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _is_full(self, peer: str) -> bool:
        limits = self._limits
        return len(self._tasks) >= limits.connections or self._by_peer[peer] >= limits.connections_of_one

    def _made_room(self, peer: str) -> bool:
        """End the connection that is silent longest: of a client with too many, else of who has most."""
        if self._by_peer[peer] < self._limits.connections_of_one:
            peer = max(set(self._idle.values()), key=lambda other: self._by_peer[other], default="")
        silent = next((task for task, other in self._idle.items() if other == peer), None)
        if silent is None:
            return False
        del self._idle[silent]
        return silent.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        stays = True
        task = asyncio.current_task()
        while stays and task is not None:
            self._idle[task] = peer
            async with asyncio.timeout(self._limits.idle_seconds):
                first = await reader.read(1)
            if not first:
                return
            try:
                request = await self._read(first, reader, peer)
            except BadRequestError as refused:
                await self._write(writer, _refusal(refused.status), stays=False, head_only=False)
                return
            self._idle.pop(task, None)
            answer = (await self._answer(request)).part(request.headers.get("range"))
            stays = request.stays and not answer.closes
            await self._write(writer, answer, stays=stays, head_only=request.method == "HEAD")

    async def _read(self, first: bytes, reader: asyncio.StreamReader, peer: str) -> Request:
        limits = self._limits
        async with asyncio.timeout(limits.head_seconds):
            head = await _head(first, reader, limits.head_bytes)
        request = parse_request(head, peer)
        if not request.length_bytes:
            return request
        if request.length_bytes > limits.body_bytes:
            raise BadRequestError(413, "a body that is too large")
        async with asyncio.timeout(limits.body_seconds):
            return replace(request, body=await reader.readexactly(request.length_bytes))

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._handler(request)
        except Exception:
            # A defect: the client gets an answer, and the log what went wrong, without the query.
            _LOG.exception("could not answer %s %r", request.method, request.path)
            return _refusal(500)

    async def _write(
        self, writer: asyncio.StreamWriter, answer: Answer, *, stays: bool, head_only: bool
    ) -> None:
        head = write_head(answer, stays=stays)
        body = answer.body
        if head_only or isinstance(body, bytes):
            writer.write(head if head_only else head + bytes(body if isinstance(body, bytes) else b""))
            await self._drained(writer)
        else:
            await self._write_file(writer, head, body)
        if not head_only and answer.sent is not None:
            await self._arrived(writer)
            start = 0 if isinstance(body, bytes) else body.start_byte
            answer.sent(start, start + answer.length_bytes)

    async def _write_file(self, writer: asyncio.StreamWriter, head: bytes, body: FileBody) -> None:
        loop = asyncio.get_running_loop()
        with body.path.open("rb") as file:
            writer.write(head)
            await self._drained(writer)
            at = body.start_byte
            while at < body.end_byte:
                piece = min(_PIECE_BYTES, body.end_byte - at)
                async with asyncio.timeout(self._limits.stalled_seconds):
                    sent = await loop.sendfile(writer.transport, file, at, piece)
                if not sent:
                    raise OSError(f"{body.path.name} became shorter while it was sent")
                at += sent

    async def _arrived(self, writer: asyncio.StreamWriter) -> None:
        """Wait until the client has said that it got all: what the kernel holds may never get there."""
        async with asyncio.timeout(self._limits.stalled_seconds):
            while not writer.transport.is_closing():
                waiting = fcntl.ioctl(writer.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
                if not int.from_bytes(waiting, sys.byteorder):
                    return
                await asyncio.sleep(_ARRIVAL_SECONDS)
        raise OSError("the client went away before it had all")

    async def _drained(self, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._limits.stalled_seconds):
            await writer.drain()


async def _head(first: bytes, reader: asyncio.StreamReader, limit: int) -> bytes:
    """Read up to the empty line. Raises BadRequestError where it is too long."""
    head = bytearray(first.strip(b"\n"))  # an empty line, of nothing but its end
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise BadRequestError(431, "a line that is too long") from None
        head += line
        if len(head) > limit:
            raise BadRequestError(431, "a head that is too long")
        if line in (b"\n", b"\r\n"):
            if not head.strip():  # some clients send an empty line behind a body
                head.clear()
                continue
            return bytes(head)


def _refusal(status: int) -> Answer:
    # Never 200: iPXE on a BIOS runs the body of any answer with 200 that it cannot make anything of.
    return Answer(status=status, body=f"{status}\n".encode(), closes=True)


def bind(address: str, port: int) -> socket.socket:
    """Give a socket that listens on an address, of version 4 or 6. Raises OSError."""
    family, kind, protocol, _, where = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
    except BaseException:
        bound.close()
        raise
    return bound

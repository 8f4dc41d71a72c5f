# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from keepsane.listen.answer import Answer, whole_file
from keepsane.listen.request import Request
from keepsane.listen.server import Handler, Limits, Server, bind

HEAD = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


@asynccontextmanager
async def serving(handler: Handler, limits: Limits | None = None) -> AsyncIterator[int]:
    server = Server(handler, limits or Limits())
    bound = bind("127.0.0.1", 0)
    port: int = bound.getsockname()[1]
    await server.start(bound)
    try:
        yield port
    finally:
        await server.close()


def served(client: Callable[[int], object], handler: Handler, limits: Limits | None = None) -> object:
    """Give what a client that blocks, in a thread, gets of a server."""

    async def run() -> object:
        async with serving(handler, limits) as port:
            return await asyncio.to_thread(client, port)

    return asyncio.run(run())


async def echo(request: Request) -> Answer:
    return Answer(body=f"{request.method} {request.path} {request.body.decode()}".encode())


def raw(data: bytes, *, wait_seconds: float = 5.0) -> Callable[[int], bytes]:
    """Make a client that sends bytes, and gives all it gets until the server closes."""

    def client(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=wait_seconds) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            got = b""
            while piece := connection.recv(65536):
                got += piece
            return got

    return client


def test_requests_follow_each_other_on_one_connection() -> None:
    def client(port: int) -> list[bytes]:
        got = []
        with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            for method, body in (("GET", None), ("POST", b"log"), ("GET", None)):
                connection.request(method, "/x", body=body)
                got.append(connection.getresponse().read())
        return got

    assert served(client, echo) == [b"GET /x ", b"POST /x log", b"GET /x "]


@pytest.mark.parametrize("before", [b"\n", b"\r\n", b"\n\n", b"\n\r\n"])
def test_an_empty_line_before_a_request_is_skipped(before: bytes) -> None:
    got = served(raw(before + b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n"), echo)
    assert isinstance(got, bytes) and got.endswith(b"GET /x ")


def test_head_gives_the_length_and_no_body() -> None:
    got = served(raw(b"HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n"), echo)
    assert isinstance(got, bytes)
    assert b"Content-Length: 8\r\n" in got and got.endswith(b"\r\n\r\n")


def test_a_file_comes_whole_and_in_parts(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "initrd").write_bytes(content)
    told: list[tuple[int, int]] = []

    async def handler(request: Request) -> Answer:
        body = whole_file(tmp_path / "initrd").body
        return Answer(body=body, ranges=True, sent=lambda start, end: told.append((start, end)))

    def client(port: int) -> tuple[bytes, bytes]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/f")
            whole = connection.getresponse().read()
            connection.request("GET", "/f", headers={"Range": "bytes=5-1000004"})
            part = connection.getresponse().read()
        time.sleep(0.3)  # that it arrived is said by the client's kernel, soon
        return whole, part

    assert served(client, handler) == (content, content[5:1_000_005])
    assert told == [(0, len(content)), (5, 1_000_005)]


def test_head_of_a_file_is_not_told_as_sent(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(b"k")
    told: list[int] = []

    async def handler(request: Request) -> Answer:
        return Answer(body=whole_file(tmp_path / "kernel").body, sent=lambda start, end: told.append(end))

    served(raw(b"HEAD /f HTTP/1.1\r\nConnection: close\r\n\r\n"), handler)
    assert told == []


def test_a_defect_of_a_handler_is_500_and_says_no_query(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request) -> Answer:
        raise RuntimeError("a defect")

    with caplog.at_level(logging.ERROR):
        got = served(raw(b"GET /w?secret=x HTTP/1.1\r\n\r\n"), broken)
    assert isinstance(got, bytes) and got.startswith(b"HTTP/1.1 500 ")
    assert "a defect" in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 3000 + b"\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", b"413"),
        (b"\r\n\r\nNONSENSE\r\n\r\n", b"501"),
    ],
)
def test_what_is_too_large_or_no_request_is_refused(data: bytes, status: bytes) -> None:
    got = served(raw(data), echo)
    assert isinstance(got, bytes) and got[9:12] == status


@pytest.mark.parametrize("sent", [b"", b"GET /x HT", b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"])
def test_who_stops_speaking_loses_the_connection(sent: bytes) -> None:
    def client(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(sent)
            return connection.recv(100)

    limits = Limits(idle_seconds=0.2, head_seconds=0.2, body_seconds=0.2)
    assert served(client, echo, limits) == b""


def test_who_reads_nothing_loses_the_connection(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(64 << 20))

    async def handler(request: Request) -> Answer:
        return whole_file(tmp_path / "large")

    async def run() -> int:
        async with serving(handler, Limits(stalled_seconds=0.3)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(HEAD)
            await asyncio.sleep(1.5)
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            got = 0
            try:
                while piece := await reader.read(1 << 20):
                    got += len(piece)
            except ConnectionError:
                pass
            writer.close()
            return got

    assert asyncio.run(run()) < 64 << 20


@pytest.mark.parametrize("limits", [Limits(connections_of_one=5), Limits(connections=5)])
def test_who_is_silent_longest_gives_way(limits: Limits) -> None:
    async def run() -> tuple[bytes, bytes]:
        async with serving(echo, limits) as port:
            held = []
            for _ in range(5):
                held.append(await asyncio.open_connection("127.0.0.1", port))
                await asyncio.sleep(0.02)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEAD)
            head = await reader.readuntil(b"\r\n\r\n")
            gave_way = await held[0][0].read()
            for _, other in [*held, (reader, writer)]:
                other.close()
            return head, gave_way

    head, gave_way = asyncio.run(run())
    assert head.startswith(b"HTTP/1.1 200 OK") and gave_way == b""


def test_who_waits_for_an_answer_gives_way_to_nobody() -> None:
    async def slow(request: Request) -> Answer:
        await asyncio.sleep(0.3)
        return await echo(request)

    async def run() -> tuple[bytes, bytes]:
        async with serving(slow, Limits(connections=1)) as port:
            first = await asyncio.open_connection("127.0.0.1", port)
            first[1].write(HEAD)
            await asyncio.sleep(0.05)
            second = await asyncio.open_connection("127.0.0.1", port)
            refused = await _all(second[0])
            head = await first[0].readuntil(b"\r\n\r\n")
            for _, other in (first, second):
                other.close()
            return head, refused

    async def _all(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read()
        except ConnectionError:
            return b""

    head, refused = asyncio.run(run())
    assert head.startswith(b"HTTP/1.1 200 OK") and refused == b""


def test_what_did_not_arrive_is_not_told_as_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(200_000))
    told = []

    async def handler(request: Request) -> Answer:
        return replace(whole_file(tmp_path / "file"), sent=lambda start, end: told.append((start, end)))

    def client(port: int) -> bytes:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.sendall(HEAD)
            time.sleep(0.5)  # all of it lies in the server's kernel by now
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.2)
        return b""

    served(client, handler)
    assert not told


def test_a_thousand_idle_connections_do_not_stop_others() -> None:
    async def run() -> bytes:
        async with serving(echo, Limits()) as port:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEAD)
            head = await reader.readuntil(b"\r\n\r\n")
            for _, other in [*idle, (reader, writer)]:
                other.close()
            return head

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200 OK")

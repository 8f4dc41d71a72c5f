# SPDX-License-Identifier: GPL-2.0-or-later
"""
How iPXE speaks HTTP, old and new, over one event loop: what a server must live with.

Both keep one connection for all of a machine's requests, and where it closes without a byte they repeat the
GET once. Since 2.0 a transfer ends when no byte of a body came for 120 s, whatever the script's own timeout.
Written from iPXE's net/tcp/httpcore.c, httpconn.c and core/pool.c.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.ipxe_script import IpxeError

TIMED_OUT, TIMED_OUT_CONNECT, REFUSED, BROKEN, CLIENT_ERROR, SERVER_ERROR = (
    0x4C0C6035,
    0x4C072035,
    0x0F0A6039,
    0x1D0C6239,
    0x1D0C6439,
    0x1D0C6539,
)
WATCHDOG_SECONDS = 120.0


@dataclass
class Http:
    """One machine's HTTP; `is_new` is iPXE 2.x."""

    is_new: bool
    gets: int = 0
    repeats: int = 0
    longest_silence_seconds: float = 0.0
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None

    async def fetch(self, url: str, timeout_seconds: float | None) -> bytes:
        """Get an address. Raises IpxeError."""
        limits = [limit for limit in (timeout_seconds, WATCHDOG_SECONDS if self.is_new else None) if limit]
        limit = min(limits) if limits else None
        for is_repeat in (False, True):
            pooled = self._reader is not None
            try:
                return await self._get(url, limit)
            except EOFError:
                await self.close()
                if is_repeat or not pooled:
                    raise IpxeError(BROKEN) from None
                self.repeats += 1
            except TimeoutError:
                await self.close()
                raise IpxeError(TIMED_OUT) from None
            except OSError:
                await self.close()
                raise IpxeError(REFUSED) from None
        raise AssertionError("not reached")

    async def close(self) -> None:
        """Close the pooled connection."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _get(self, url: str, limit: float | None) -> bytes:
        parts = urlsplit(url)
        if self._reader is None or self._writer is None:
            async with asyncio.timeout(limit):
                self._reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        version = "2.0.0+" if self.is_new else "1.0.0+git-20190125.36a4c85-5.1"
        self._writer.write(
            f"GET {target} HTTP/1.1\r\nConnection: keep-alive\r\n"
            f"User-Agent: iPXE/{version}\r\nHost: {parts.netloc}\r\n\r\n".encode("ascii")
        )
        self.gets += 1
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.timeout(limit):  # a header is no body: it resets no watchdog
            head = await self._reader.readuntil(b"\r\n\r\n") if not self._reader.at_eof() else b""
        self.longest_silence_seconds = max(self.longest_silence_seconds, loop.time() - begun)
        if not head:
            raise EOFError
        status, headers = _read_head(head)
        body = await self._body(int(headers["content-length"]), limit)
        if headers.get("connection") == "close":
            await self.close()
        if status >= 400:
            raise IpxeError(SERVER_ERROR if status >= 500 else CLIENT_ERROR)
        assert status == 200, f"{status} is no answer for a machine"
        return body

    async def _body(self, length: int, limit: float | None) -> bytes:
        assert self._reader is not None
        body = bytearray()
        while len(body) < length:
            async with asyncio.timeout(limit):
                piece = await self._reader.read(length - len(body))
            if not piece:
                await self.close()
                raise IpxeError(BROKEN)
            body += piece
        return bytes(body)


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("ascii").split("\r\n")[:-2]
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert "content-length" in headers, "iPXE takes a body that was cut for a whole one"
    return int(first.split()[1]), headers

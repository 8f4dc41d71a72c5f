# SPDX-License-Identifier: GPL-2.0-or-later
r"""
The head of an HTTP request, as boot loaders and old devices send it.

    GET /w?m=52-54-00-12-34-56&e= HTTP/1.1\r\n
    Host: 10.0.2.2:8069\r\n
    User-Agent: iPXE/1.0.0+git-20190125.36a4c85-5.1\r\n
    \r\n

Taken as well: lines that end in a bare line feed, no Host, a blank in the target, an absolute URI, no version
(HTTP/1.0 then). Refused: a control character or a NUL in the target, a name of a header that is no token,
folded headers, two different lengths, a body in chunks. Source: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

METHODS = ("GET", "HEAD", "POST")
MAX_FIELDS = 64
"""The most headers, and the most fields of a query."""

_VERSION = re.compile(r"HTTP/1\.[01]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_ABSOLUTE = re.compile(r"https?://[^/?#]{0,255}", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGITS = re.compile(r"\d{1,10}", re.ASCII)


class BadRequestError(ValueError):
    """What came is no request that can be answered; `status` is the answer's."""

    def __init__(self, status: int, why: str) -> None:
        """Take the status, 400 to 505, and a sentence for the log."""
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    One request; `path` and the values of `query` are decoded, the keys of `headers` are lower-case.

    `stays` says whether the client wants the connection kept. `length_bytes` is that of a body, which has not
    been read. `peer` is the address that asked, as text.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    peer: str
    stays: bool
    length_bytes: int
    body: bytes = b""


def parse_request(head: bytes, peer: str) -> Request:
    """Read the lines up to the empty one. Raises BadRequestError."""
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    method, target, version = _request_line(first)
    headers = _headers(lines)
    path, _, query = target.partition("?")
    return Request(
        method=method,
        path=_decoded(path),
        query=_query(query.partition("#")[0]),
        headers=MappingProxyType(headers),
        peer=peer,
        stays=_stays(version, headers.get("connection", "")),
        length_bytes=_length_bytes(headers),
    )


def _request_line(line: str) -> tuple[str, str, str]:
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if _VERSION.fullmatch(version) is None:
        if version.startswith("HTTP/"):
            raise BadRequestError(505, "an HTTP version other than 1.0 and 1.1")
        target, version = rest, "HTTP/1.0"
    if method not in METHODS:
        raise BadRequestError(
            501 if _TOKEN.fullmatch(method) else 400, "a method other than GET, HEAD and POST"
        )
    if (found := _ABSOLUTE.match(target)) is not None:
        target = target[found.end() :] or "/"
    if not target.startswith("/") or _CONTROL.search(target):
        raise BadRequestError(400, "a target that is no path")
    return method, target, version


def _headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > MAX_FIELDS:
        raise BadRequestError(431, f"more than {MAX_FIELDS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not colon or _TOKEN.fullmatch(name) is None or "\0" in value:
            raise BadRequestError(400, "a line that is no header")
        if name == "content-length" and headers.get(name, value) != value:
            raise BadRequestError(400, "two different lengths")
        headers[name] = value
    return headers


def _length_bytes(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError(411, "a body without its length")
    said = headers.get("content-length", "0")
    if _DIGITS.fullmatch(said) is None:
        raise BadRequestError(400, "a length that is no number")
    return int(said)


def _stays(version: str, connection: str) -> bool:
    words = {word.strip() for word in connection.lower().split(",")}
    return "close" not in words and (version == "HTTP/1.1" or "keep-alive" in words)


def _decoded(path: str) -> str:
    """Undo the escapes; what hides a control character or a NUL in them is refused."""
    decoded = unquote(path.encode("latin-1").decode("utf-8", "replace"), errors="replace")
    if _CONTROL.search(decoded):
        raise BadRequestError(400, "a control character in the path")
    return decoded


def _query(query: str) -> Mapping[str, str]:
    """Give the first value of each name; iPXE writes a blank as `%20`, so that a plus is a plus."""
    try:
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadRequestError(400, f"a query of more than {MAX_FIELDS} fields") from None
    return MappingProxyType(dict(reversed(pairs)))

# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.listen.request import BadRequestError, parse_request

IPXE = (
    b"GET /w?m=52-54-00-12-34-56&u=&e=0xb0720a0 HTTP/1.1\r\n"
    b"Connection: keep-alive\r\nUser-Agent: iPXE/1.0.0+git-20190125.36a4c85\r\n"
    b"Host: 10.0.2.2:8069\r\n\r\n"
)


def test_what_ipxe_sends_is_read() -> None:
    request = parse_request(IPXE, "10.0.2.15")
    assert (request.method, request.path, request.peer) == ("GET", "/w", "10.0.2.15")
    assert dict(request.query) == {"m": "52-54-00-12-34-56", "u": "", "e": "0xb0720a0"}
    assert request.headers["host"] == "10.0.2.2:8069"
    assert request.stays


@pytest.mark.parametrize(
    ("head", "path"),
    [
        (b"GET /a HTTP/1.0\n\n", "/a"),
        (b"GET /a b.jpg HTTP/1.1\r\n\r\n", "/a b.jpg"),
        (b"GET http://somewhere.example:80/a?b HTTP/1.1\r\n\r\n", "/a"),
        (b"GET HTTP://somewhere.example HTTP/1.1\r\n\r\n", "/"),
        (b"GET /a\r\n\r\n", "/a"),
        (b"GET /%67%C3%BC HTTP/1.1\r\n\r\n", "/g\u00fc"),
    ],
    ids=["bare line feeds", "a blank", "absolute", "absolute without a path", "no version", "escapes"],
)
def test_what_old_devices_send_is_read(head: bytes, path: str) -> None:
    assert parse_request(head, "").path == path


def test_a_plus_is_a_plus() -> None:
    assert parse_request(b"GET /w?t=6.12+deb HTTP/1.1\r\n\r\n", "").query["t"] == "6.12+deb"


@pytest.mark.parametrize(
    ("head", "stays"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_whether_the_connection_stays(head: bytes, stays: bool) -> None:
    assert parse_request(head, "").stays is stays


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\r\n\r\n", 400),
        (b"GET nothing HTTP/1.1\r\n\r\n", 400),
        (b"GET /a\x00b HTTP/1.1\r\n\r\n", 400),
        (b"GET /a%00b HTTP/1.1\r\n\r\n", 400),
        (b"GET /a%0d%0aX:%20y HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 65 + b"\r\n", 431),
        (b"GET /?" + b"a=b&" * 65 + b" HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_request(head, "")
    assert refused.value.status == status


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(head: bytes) -> None:
    try:
        request = parse_request(head, "")
    except BadRequestError:
        return
    assert (request.path.startswith("/") and request.path.isprintable()) or not request.path.isascii()


@given(st.text(alphabet="/.%0aA\\", max_size=30))
def test_a_path_never_has_a_control_character(target: str) -> None:
    try:
        path = parse_request(f"GET /{target} HTTP/1.1\r\n\r\n".encode(), "").path
    except BadRequestError:
        return
    assert not any(letter < " " or letter == "\x7f" for letter in path)

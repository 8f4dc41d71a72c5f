# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking a server for the first script, as a machine does."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

_SECONDS = 5
_MAX_BYTES = 4096


def read_first_script(host: str, port: int) -> bytes | None:
    """Give what it answers, whatever that is; None where nobody answers."""
    connection = HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/s")
        return connection.getresponse().read(_MAX_BYTES)
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()

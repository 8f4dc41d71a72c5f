# SPDX-License-Identifier: GPL-2.0-or-later
r"""
Lines that are one JSON document each, as journals and containers write them.

    {"_SOURCE_MONOTONIC_TIMESTAMP": "26813123456", "PRIORITY": "4", "MESSAGE": "Call Trace:"}
    {"log": "[   12.345678] Call Trace:\n", "stream": "stdout"}

Sources: systemd.journal-fields(7); the json-file driver of containers.
"""

from __future__ import annotations

import json
from typing import Any

from keepsane.kernel.log.dress.letters import spaced

_MESSAGES = ("MESSAGE", "message", "msg", "log", "text")
_OF_PROGRAMS = ("stdout", "syslog", "audit")
"""Ways into a journal that the kernel's own messages do not take (systemd.journal-fields(7))."""
_MICROSECONDS = ("_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP")


def as_text(line: str) -> str:
    """
    Write the message of a JSON document as printk would; a line that is none, or has none, as it is.

    What a journal has of a program is no line of the kernel's: "".
    """
    if line[:1] != "{" or not line.rstrip().endswith("}"):
        return line
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if document.get("_TRANSPORT") in _OF_PROGRAMS and document.get("SYSLOG_IDENTIFIER") != "kernel":
        return ""
    message = next((document[name] for name in _MESSAGES if name in document), None)
    if isinstance(message, list):  # a journal writes what is no UTF-8 as numbers
        message = bytes(byte for byte in message if isinstance(byte, int) and 0 <= byte < 256).decode(
            "utf-8", "replace"
        )
    return _front(document) + spaced(message.rstrip("\r\n")) if isinstance(message, str) else line


def _front(document: dict[str, Any]) -> str:
    level, time = document.get("PRIORITY"), next(filter(None, map(document.get, _MICROSECONDS)), None)
    said = f"<{level}>" if isinstance(level, str) and level in "01234567" and level else ""
    is_time = isinstance(time, str) and len(time) <= 18 and time.isascii() and time.isdecimal()
    return f"{said}[{int(time) / 1e6:.6f}] " if is_time and time is not None else said

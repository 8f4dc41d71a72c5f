# SPDX-License-Identifier: GPL-2.0-or-later
"""
A kernel's command line: what it may hold, its words, and changes to it.

    console=ttyS0,115200 panic=10 ip=${net0/ip}::${net0/gateway}:${net0/netmask}

`${...}` stands for what iPXE knows of the machine, and only these of its settings may be named: a setting
can be set by a DHCP server, and what iPXE does not know becomes nothing, silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

MAX_COMMAND_LINE_BYTES = 2047
"""COMMAND_LINE_SIZE of x86 without its end (arch/x86/include/asm/setup.h)."""
SETTINGS = ("net0/ip", "net0/gateway", "net0/netmask", "net0/mac:hexhyp", "uuid", "platform")
"""What a command line may name as `${...}`; iPXE puts the machine's own value there."""
SETTING = re.compile(r"\$\{(" + "|".join(map(re.escape, SETTINGS)) + r")\}")

_HIDDEN = re.compile(r"[^ -~]")
_SPACES = " \t\n\v\f\r"
FOR_INIT = "--"
"""What stands behind it is init's (kernel/params.c, parse_args)."""
_OF_LOADERS = ("BOOT_IMAGE", "initrd", "keepsane.boot", "keepsane.server")
"""What a boot loader puts in, and keepsane itself."""
_IMAGES = ("vmlinu", "bzimage", "linux", "kernel")
"""How the names of kernel images begin."""


def check_command_line(command_line: str) -> str | None:
    """Say what is wrong with a command line, None where it can be booted."""
    size = len(command_line.encode("utf-8", "surrogateescape"))
    if size > MAX_COMMAND_LINE_BYTES:
        return f"it has {size} bytes, and the kernel takes {MAX_COMMAND_LINE_BYTES}"
    if _HIDDEN.search(command_line):
        return "it has letters that are no printable ASCII"
    rest = SETTING.sub("", command_line)
    if "${" in rest:
        known = ", ".join(f"${{{name}}}" for name in SETTINGS)
        return f"it names a setting that is none of {known}"
    return None


def split(command_line: str) -> list[str]:
    """
    Cut a command line into words as the kernel does; each is given as it stands there.

    Accepted format:
        dyndbg="file a.c +p" quiet      two words; a blank between two quotes does not end a word

    Source: lib/cmdline.c, next_arg(), and skip_spaces().
    """
    words, start, quoted = [], None, False
    for at, letter in enumerate(command_line):
        if letter in _SPACES and not quoted:
            if start is not None:
                words.append(command_line[start:at])
            start = None
            continue
        start = at if start is None else start
        quoted ^= letter == '"'
    return words if start is None else [*words, command_line[start:]]


def parameter(word: str) -> tuple[str, str | None]:
    """
    Give the name and the value that the kernel takes a word for; None is a word without a value.

    Accepted format:
        loglevel=8          ("loglevel", "8")
        dyndbg="a b"        ("dyndbg", "a b")
        "dyndbg=a b"        ("dyndbg", "a b")

    Source: lib/cmdline.c, next_arg(). The first letter is never an `=` there: `=x` is a name.
    """
    quoted = word.startswith('"')
    body = word[1:] if quoted else word
    equals = body.find("=", 1)
    value = None if equals < 0 else body[equals + 1 :]
    if value is None:
        return body[:-1] if quoted and body.endswith('"') else body, None
    if value.startswith('"'):
        return body[:equals], value[1:].removesuffix('"')
    return body[:equals], value.removesuffix('"') if quoted else value


def taken_words(command_line: str) -> list[str]:
    """
    Give the words of a command line that was booted, without what a boot loader puts in.

    BOOT_IMAGE= and initrd= go, and the name of the image, which UEFI puts in front of all.
    """
    words = split(command_line)
    if words and _is_image(words[0]):
        words = words[1:]
    return [word for word in words if parameter(word)[0] not in _OF_LOADERS]


def _is_image(word: str) -> bool:
    name = re.split(r"[/\\)]", word)[-1]
    return "=" not in word and name.lower().startswith(_IMAGES)


def is_of(word: str, said: str) -> bool:
    """Say whether a word that was booted is the one of the file, where `${...}` stands for any value."""
    first, *more = SETTING.split(word)[::2]
    if not more:
        return word == said
    if not said.startswith(first):
        return False
    at, last = len(first), more.pop()
    for piece in more:
        found = said.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return said.endswith(last) and len(said) - len(last) >= at


def add_front(words: Sequence[str], word: str) -> list[str]:
    """Add a word in front of what is init's."""
    end = words.index(FOR_INIT) if FOR_INIT in words else len(words)
    return [*words[:end], word, *words[end:]]


def for_kernel(words: Sequence[str]) -> Iterator[int]:
    """Give the places of the words that are not init's."""
    end = words.index(FOR_INIT) if FOR_INIT in words else len(words)
    return iter(range(end))


def joined(words: Iterable[str]) -> str:
    """Write words as a command line."""
    return " ".join(words)

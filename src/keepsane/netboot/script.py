# SPDX-License-Identifier: GPL-2.0-or-later
r"""
The scripts that iPXE gets: one that asks, one that waits, one that boots.

    #!ipxe
    set misses:int32 0
    :ask
    chain --timeout 15000 --autofree http://10.0.2.2:8069/w?m=${net0/mac:hexhyp}&... || set last ${errno}

A line of a script is split at blanks first, then what stands in `${}` is put in: `&&`, `||`, `#` and `\` of a
text from outside would be iPXE's own. Such text is written as `set t:hexraw 6d616b65` and shown as
`${t:string}`; what is no printable ASCII, and `${`, is replaced before. Source: iPXE's core/exec.c (split
before expand), core/settings.c (hexraw), usr/imgmgmt.c; tried with iPXE of 2019 and 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from textwrap import wrap
from typing import NamedTuple

from keepsane.machine.command_line import SETTING

MAX_FIRST_BYTES = 2048

_TIMEOUT = "--timeout 15000"
_COLUMNS, _ROWS = 78, 22
_MAX_LINE = 400
_HIDDEN = re.compile(r"[^ -~]")
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
"""gcc writes these in a locale of UTF-8."""
_PROOF = "&s=${secret}"
"""Each poll sends the machine's secret, which the first script has set: no answer ever holds it."""
_CANCELLED = ("0xb0720a0", "0xb072095")
"""The errno of a chain that Ctrl-C ended, on BIOS and on UEFI."""


class Choice(NamedTuple):
    """A line of the menu: the label that iPXE jumps to, its text, and the query that asks for it."""

    label: str
    text: str
    query: str


class File(NamedTuple):
    """A file to load: the name it has in the machine, and its address relative to the script's."""

    name: str
    url: str


def safe(text: str, most: int = _COLUMNS) -> str:
    """Give a text as iPXE can show it: printable ASCII, no `${`, at most a line of a screen."""
    return _HIDDEN.sub("?", text.expandtabs(1).translate(_QUOTES)).replace("${", "$ {")[:most].rstrip()


def first_script(address: str, tries: int, secret: str = "") -> str:
    """
    Write the script that asks, for ever or, where `tries` is not 0, until so many were in vain.

    `address` is the server's, `http://10.0.2.2:8069`; `secret` the machine's own, which only a script that
    lies on the machine may hold. It must not be held: UEFI gives up on a first file.
    """
    give_up = f"iseq ${{misses}} {tries} && goto local ||" if tries else ""
    asked = f"m=${{net0/mac:hexhyp}}&u=${{uuid}}&p=${{platform}}&i=${{net0/ip}}&e=${{why}}{_PROOF}"
    return _script(
        "set misses:int32 0",
        f"set secret {secret}" if secret else "",
        "isset ${net0/ip} || dhcp net0 ||",
        ":ask",
        f"chain {_TIMEOUT} --autofree {address}/w?{asked} || set last ${{errno}}",
        "isset ${why} || set why ${last}",  # an answer that failed has said why itself: its exit is no reason
        "isset ${leave} && goto local ||",
        "inc misses",
        f"echo keepsane: {address} gave nothing to boot, try ${{misses}}",
        give_up,
        "isset ${net0/ip} || dhcp net0 ||",
        "sleep 2 || goto shell",
        "goto ask",
        ":local",
        "echo keepsane: starting what the firmware starts next",
        "iseq ${platform} efi && exit 0 ||",
        "sanboot --no-describe --drive 0x80 || exit 1",
        ":shell",
        "shell",
        "goto ask",
    )


def hold_script(lines: Sequence[str], again: str, choices: Sequence[Choice]) -> str:
    """
    Write a screenful, then the poll that the server holds; Ctrl-C opens the menu.

    `again` is the query of the next poll. The menu always has waiting, the local disk and iPXE's shell.
    """
    return _script(
        "set misses:int32 0",
        "set esc:hex 1b",
        "clear why ||",
        "echo ${esc:string}[2J${esc:string}[1;1H",
        *_shown(lines),
        f"chain {_TIMEOUT} --autofree --replace w?{again}{_PROOF} || set why ${{errno}}",
        *(f"iseq ${{why}} {code} && goto keys ||" for code in _CANCELLED),
        "exit 1",
        ":keys",
        "menu keepsane",
        "item wait Go on waiting",
        *_items(choices),
        "item local What the firmware starts next",
        "item shell iPXE shell",
        "choose --timeout 20000 --default wait pick && goto ${pick} || goto wait",
        *_jumps(choices),
        ":local",
        "set leave 1",
        "exit 0",
        ":shell",
        "shell",
        ":wait",
        f"chain {_TIMEOUT} --autofree --replace w?{again}{_PROOF} || set why ${{errno}}",
        "exit 1",
    )


def boot_script(
    kernel: File, initrds: Sequence[File], command_line: str, title: Sequence[str], nonce: str = ""
) -> str:
    """
    Write the script that loads and boots; a failing command leaves its number for the next poll.

    The boot's id stands behind the number: a poll that fails later is no failure of this boot.
    """
    names = [f"initrd={file.name}" for file in initrds]
    return _script(
        "set esc:hex 1b",
        "clear why ||",
        "echo ${esc:string}[2J${esc:string}[1;1H",
        *_shown(title),
        "imgfree",
        *_command_line(command_line),
        # The kernel comes last: one that is refused was then taken whole, and is not offered again.
        *(f"initrd {_TIMEOUT} --name {file.name} {file.url} || goto bad" for file in initrds),
        f"kernel {_TIMEOUT} --name {kernel.name} {kernel.url} {' '.join((*names, '${c}'))} || goto bad",
        "boot ||",
        ":bad",
        f"set why ${{errno}}-{nonce}" if nonce else "set why ${errno}",
        "imgfree",
        "exit 1",
    )


def _command_line(command_line: str) -> Iterable[str]:
    """Put a command line together in `c`: text as hexraw, the machine's own values between the pieces."""
    yield "clear c ||"
    pieces = []
    for number, piece in enumerate(SETTING.split(command_line)):
        if number % 2:
            pieces.append(f"${{{piece}}}")
        elif piece:
            yield f"set c{number}:hexraw {piece.encode('ascii').hex()}"
            pieces.append(f"${{c{number}:string}}")
    yield f"set c {''.join(pieces)}" if pieces else "set c"


def _shown(lines: Iterable[str]) -> Iterable[str]:
    """Write lines to the screen, long ones on several, and no more than a screen has."""
    wrapped = chain.from_iterable(wrap(safe(line, _MAX_LINE), _COLUMNS) or [""] for line in lines)
    for text in islice(wrapped, _ROWS):
        if text:
            # What begins with a `-` echo takes for an option of its own: it fails, and the script with it.
            shown = f" {text}" if text.startswith("-") else text
            yield f"set t:hexraw {shown.encode('ascii').hex()}"
            yield "echo ${t:string}"
        else:
            yield "echo"


def _items(choices: Iterable[Choice]) -> Iterable[str]:
    for choice in choices:
        yield f"set t:hexraw {safe(choice.text).encode('ascii').hex()}"
        yield f"item {choice.label} ${{t:string}}"


def _jumps(choices: Iterable[Choice]) -> Iterable[str]:
    for choice in choices:
        yield f":{choice.label}"
        yield f"chain {_TIMEOUT} --autofree --replace w?{choice.query}{_PROOF} || set why ${{errno}}"
        yield "exit 1"


def _script(*lines: str) -> str:
    return "".join(f"{line}\n" for line in ("#!ipxe", *filter(None, lines)))

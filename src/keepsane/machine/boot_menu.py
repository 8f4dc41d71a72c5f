# SPDX-License-Identifier: GPL-2.0-or-later
"""
The command lines that stand in a boot loader's file, or in /proc/cmdline.

    GRUB 2          linux /vmlinuz root=UUID=1234 ro quiet      below menuentry 'Debian' {
    GRUB legacy     kernel (hd0,0)/vmlinuz root=/dev/hda1 ro profile=2      below title Debian
    syslinux        APPEND root=/dev/sda1 ro      below LABEL debian
    loader entry    options root=UUID=1234 ro
    /proc/cmdline   BOOT_IMAGE=/vmlinuz root=UUID=1234 ro quiet

Which it is shows by its words, not by its name. What only the loader knows ($vars) is left out and named, and
so is what stands behind ` -- `, which is init's. An entry that starts iPXE, or has no words, is none of them.
Sources: GRUB's manual ("Shell-like scripting", "default"), grub-core/lib/cmdline.c (how words with blanks
are quoted for the kernel); GRUB legacy's manual ("Commands"); syslinux's doc/menu.txt; the Boot Loader
Specification of UAPI.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from itertools import dropwhile, pairwise
from typing import NamedTuple

from keepsane.errors import InputError
from keepsane.machine.command_line import FOR_INIT, joined, parameter, split, taken_words
from keepsane.machine.edits import as_word

MAX_MENU_BYTES = 1 << 20
MAX_ENTRIES = 500

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w{1,80})\}|(?P<plain>\w{1,80}))")
_GRUB_LINUX = ("linux", "linux16", "linuxefi", "linux64")
_NO_LINUX = re.compile(r"(?:^|[/\\)])ipxe[^/\\]{0,80}$|\.(?:lkrn|c32)$", re.IGNORECASE)
"""iPXE, as keepsane's own entry starts it, and the programs of syslinux."""
_BARE_WORDS = {
    *("ro", "rw", "quiet", "debug", "splash", "single", "nomodeset", "ignore_loglevel", "rootwait"),
    *("nokaslr", "noapic", "nolapic", "nosmp", "noresume", "text", "emergency", "rescue", "keep_bootcon"),
}
"""Words of Documentation/admin-guide/kernel-parameters.txt without a value, and of systemd."""


class Entry(NamedTuple):
    """
    An entry of a menu.

    `left_out` are the loader's variables in it whose value the file does not say, `for_init` the words behind
    ` -- `.
    """

    title: str
    command_line: str
    is_default: bool
    left_out: tuple[str, ...] = ()
    for_init: tuple[str, ...] = ()


def entries(text: str) -> list[Entry]:
    """Read the entries of a menu, as they stand there. Raises InputError where it is none that is known."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    words = {line.split(maxsplit=1)[0].lower() for line in lines if line and not line.startswith("#")}
    if words & {"menuentry", "submenu"}:
        found = _grub(lines)
    elif "options" in words and words & {"linux", "title", "efi"}:
        found = _loader_entry(lines)
    elif "title" in words and "kernel" in words:
        found = _legacy(lines)
    elif words & {"label", "append"}:
        found = _syslinux(lines)
    elif words & {*_GRUB_LINUX}:
        found = _grub(lines)
    elif len(said := [line for line in lines if line]) == 1 and _is_command_line(said[0]):
        found = [_entry("what runs", said[0], is_default=True)]
    else:
        raise InputError(
            "it is neither a command line nor the menu of GRUB, syslinux or a loader entry; "
            "give /proc/cmdline, grub.cfg, menu.lst or extlinux.conf"
        )
    found = [entry for entry in found if entry.command_line]
    if not found:
        raise InputError(
            "nothing in it starts a Linux kernel with words for it; give /proc/cmdline of the machine as it "
            "runs its own system"
        )
    return found[:MAX_ENTRIES]


def _is_command_line(line: str) -> bool:
    """Say whether a line may be a kernel's: a name of a machine, or a sentence, is none."""
    said = map(parameter, split(line))
    return any(value is not None or name in _BARE_WORDS for name, value in said)


def _starts_linux(kernel: str) -> bool:
    return _NO_LINUX.search(kernel[-200:]) is None


def _entry(title: str, said: str, *, is_default: bool, left_out: tuple[str, ...] = ()) -> Entry:
    words = taken_words(said)
    end = words.index(FOR_INIT) if FOR_INIT in words else len(words)
    return Entry(title, joined(words[:end]), is_default, left_out, tuple(words[end + 1 :]))


class _Place:
    """Where in a GRUB menu the reader is: the submenus and the entry around it, by number, title and id."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str, str] | None] = []
        self._counts = [0]

    def opens(self, words: list[str]) -> None:
        """Go into what a line with `{` at its end opens; `function` is no place of the menu."""
        if words[0] not in ("menuentry", "submenu"):
            self._open.append(None)
            return
        title = words[1] if len(words) > 2 else ""
        known = dict(pairwise(words))
        own_id = known.get("--id", known.get("$menuentry_id_option", ""))
        self._open.append((str(self._counts[-1]), title, own_id))
        self._counts[-1] += 1
        self._counts.append(0)

    def closes(self) -> None:
        """Leave it."""
        if self._open and self._open.pop() is not None:
            self._counts.pop()

    def title(self) -> str:
        """Give the title of the innermost."""
        return next((each[1] for each in reversed(self._open) if each), "")

    def is_called(self, name: str | None) -> bool:
        """Say whether `default` names it: `0`, `1>2`, a title, an id."""
        around = [each for each in self._open if each]
        wanted = name.split(">") if name else []
        return (
            "" not in wanted and len(wanted) == len(around) and all(map(tuple.__contains__, around, wanted))
        )


def _grub(lines: list[str]) -> list[Entry]:
    known = _settings(lines)
    default, place = _grub_default(lines), _Place()
    found = []
    for line in lines:
        words = _shell_words(line)
        if len(words) > 1 and words[-1] == "{":
            place.opens(words)
        elif words == ["}"]:
            place.closes()
        elif len(words) > 1 and words[0] in _GRUB_LINUX and _starts_linux(words[1]):
            said, left_out = _filled(words[2:], known)
            is_default = place.is_called(default)
            found.append(_entry(place.title(), said, is_default=is_default, left_out=left_out))
    return found


def _shell_words(line: str) -> list[str]:
    if line.startswith("#") or len(line) > 8192:
        return []
    try:
        return shlex.split(line)
    except ValueError:  # a quote that ends on another line: no line that starts a kernel
        return []


def _settings(lines: list[str]) -> dict[str, str]:
    """Give what `set NAME=VALUE` says, where VALUE names no other; two values make it unknown."""
    said: dict[str, set[str]] = {}
    for line in lines:
        words = _shell_words(line) if line.startswith("set") else []
        if len(words) == 2 and words[0] == "set":
            name, _, value = words[1].partition("=")
            said.setdefault(name, set()).add(value)
    return {name: min(values) for name, values in said.items() if len(values) == 1 and "$" not in min(values)}


def _grub_default(lines: list[str]) -> str | None:
    """Give which entry is the default; None where GRUB's environment says it (`saved_entry`)."""
    default: str | None = "0"
    for line in lines:
        if line.startswith("set default="):
            value = "".join(_shell_words(line)[1:]).removeprefix("default=")
            if "saved_entry" in value:
                default = None
            elif "$" not in value:
                default = value
    return default


def _filled(words: list[str], known: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Put the values of variables in; a word of which one is not known goes."""
    kept, left_out = [], []
    for word in words:
        names = [found["braced"] or found["plain"] for found in _VARIABLE.finditer(word)]
        missing = [name for name in names if name not in known]
        left_out += missing
        if not missing:
            filled = _VARIABLE.sub(lambda found: known[found["braced"] or found["plain"]], word)
            kept += filled.split() if names else [as_word(filled)]
    return joined(kept), tuple(left_out)


def _legacy(lines: list[str]) -> list[Entry]:
    default, number, title, found = "0", -1, "", []
    for word, rest in map(_command, lines):
        if word == "default":
            default = rest
        elif word == "title":
            number, title = number + 1, rest
        elif word == "kernel":
            kernel, *words = [*dropwhile(lambda each: each.startswith("--"), rest.split()), ""]
            if _starts_linux(kernel):
                found.append((number, title, joined(words)))
    return [_entry(title, said, is_default=str(number) == default) for number, title, said in found]


def _syslinux(lines: list[str]) -> list[Entry]:
    sections: list[dict[str, str]] = [{}]
    for word, rest in map(_command, lines):
        if word == "label":
            sections.append({})
        if word == "menu":
            more, rest = _command(rest)
            word = f"menu {more}"
        sections[-1][word] = rest
    general, *labels = sections
    return [
        _label(said, general)
        for said in labels
        if said.keys() & {"kernel", "linux", "append"} and _starts_linux(said.get("kernel", ""))
    ]


def _label(said: Mapping[str, str], general: Mapping[str, str]) -> Entry:
    title = said.get("menu label", said["label"]).replace("^", "")
    text = said.get("append", general.get("append", ""))
    is_default = "menu default" in said or said["label"] == general.get("default")
    return _entry(title, "" if text == "-" else text, is_default=is_default)


def _loader_entry(lines: list[str]) -> list[Entry]:
    pairs = [_command(line) for line in lines]
    title = next((rest for word, rest in pairs if word == "title"), "")
    said, left_out = _filled([word for key, rest in pairs if key == "options" for word in split(rest)], {})
    return [_entry(title, said, is_default=True, left_out=left_out)]


def _command(line: str) -> tuple[str, str]:
    """Cut a line into its command, small, and the rest; GRUB legacy takes `=` behind a command too."""
    word, _, rest = re.sub(r"^(\w{1,40})[ \t]{0,40}[= \t]", r"\1 ", line, count=1).partition(" ")
    return word.lower(), rest.strip()

# SPDX-License-Identifier: GPL-2.0-or-later
"""
Show a machine's kernel command line, what differs from the one it runs, and change it.

    keepsane netboot cmdline test-box
    keepsane netboot cmdline test-box +debug -quiet +loglevel=8
    ssh test-box cat /proc/cmdline | keepsane netboot cmdline test-box --from -
    keepsane netboot cmdline test-box --from grub.cfg --entry 2 +panic=10

+WORD adds a word, or takes the place of the last of that name; -NAME removes all of that name, -NAME=VALUE
the one with that value. console= and a few others may repeat: +console=tty0 is added beside console=ttyS0,
and takes the place of another console=tty0,... alone. --from takes over what stands in /proc/cmdline,
grub.cfg, menu.lst, extlinux.conf or an entry of /boot/loader/entries, without what the boot loader put in and
what is init's. The line before is said as well: `echo 'LINE' | ... --from -` puts it back.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from keepsane.commands.netboot.machine import chosen_machine
from keepsane.errors import InputError
from keepsane.machine.boot_menu import MAX_MENU_BYTES, Entry, entries
from keepsane.machine.command_line import is_of, joined, parameter, split, taken_words
from keepsane.machine.edits import difference, edited
from keepsane.machine.file import read_bytes
from keepsane.machine.machine import Machine, machine_file
from keepsane.machine.root import wrong_root
from keepsane.machine.write import replace, with_setting
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.render.visible import escaped

_HOW = "write +WORD, -WORD or --from FILE; keepsane netboot cmdline --help says more"


class _Asked(NamedTuple):
    """What stands behind the machine's name."""

    source: str | None
    entry: int | None
    edits: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot cmdline` takes; what follows the machine is read by `_asked`."""
    parser.add_argument("machine", metavar="MACHINE")
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="+WORD -WORD --from FILE --entry N", help="changes to it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show or change it. Raises InputError, OutputError, and MissingExtraError without tomlkit."""
    machine = chosen_machine(arguments.machine)
    asked = _asked(arguments.words)
    if asked.source is None and not asked.edits:
        _show(machine)
        return 0
    words = split(machine.command_line)
    if asked.source is not None:
        words = split(_taken(asked.source, asked.entry).command_line)
    words, missing = edited(words, asked.edits)
    if asked.source is not None and not words:
        raise InputError(f"{asked.source}: nothing is left of its command line; nothing is written")
    sys.stdout.writelines(f"{escaped(word)} does not stand there\n" for word in missing)
    _write(machine, words)
    return 0


def _asked(words: Sequence[str]) -> _Asked:
    """Read what follows the machine's name: argparse would take `-quiet` for options of its own."""
    source, entry, edits = None, None, []
    left = iter([word for word in words if word != "--debug"])
    for word in left:
        option, equals, value = word.partition("=")
        if option == "--from":
            source = value if equals else next(left, None)
        elif option == "--entry":
            entry = _number(value if equals else next(left, ""))
        elif word.startswith("--"):
            raise InputError(f"{word} is no change to a command line; {_HOW}")
        else:
            edits.append(word)
            continue
        if option == "--from" and not source:
            raise InputError("--from needs a file, as /proc/cmdline; - is what comes through a pipe")
    if entry is not None and source is None:
        raise InputError("--entry is of a file; --from FILE names it")
    return _Asked(source, entry, tuple(edits))


def _number(said: str) -> int:
    if not said.isascii() or not said.isdigit() or len(said) > 6:
        raise InputError(f"--entry {said or 'without a number'}: entries are counted from 1")
    return int(said)


def _taken(source: str, number: int | None) -> Entry:
    """Give the entry of a menu that is meant. Raises InputError where that is not clear."""
    path = Path(source)
    content = sys.stdin.buffer.read(MAX_MENU_BYTES + 1) if source == "-" else read_bytes(path, MAX_MENU_BYTES)
    if len(content) > MAX_MENU_BYTES:
        raise InputError(
            f"what comes through the pipe has more than {MAX_MENU_BYTES} bytes: it is no boot menu"
        )
    try:
        found = entries(content.decode("utf-8", "replace"))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    listed = "".join(f"\n{at:>4}  {entry.title}: {entry.command_line}" for at, entry in enumerate(found, 1))
    defaults = [at for at, entry in enumerate(found, 1) if entry.is_default]
    if number is None:
        number = 1 if len(found) == 1 else defaults[0] if defaults else 0
    if not 1 <= number <= len(found):
        sys.stdout.write("".join(f"{escaped(line)}\n" for line in listed.splitlines()[1:]))
        raise InputError(f"{source}: which of its {len(found)} entries? --entry N, as they are listed")
    entry = found[number - 1]
    if len(found) > 1:
        sys.stdout.write(
            f"entry {number} of {len(found)}, {escaped(entry.title)}; --entry N takes another:\n"
        )
        sys.stdout.writelines(f"{escaped(line)}\n" for line in listed.splitlines()[1:])
    for name in entry.left_out:
        sys.stdout.write(f"${escaped(name)} is left out: only the boot loader knows what it is\n")
    if entry.for_init:
        sys.stdout.write(
            f"-- {escaped(joined(entry.for_init))} is left out: it is init's, not the kernel's\n"
        )
    return entry


def _show(machine: Machine) -> None:
    sys.stdout.write(f"{escaped(machine.command_line)}\n")
    with closing(History(netboot_folder())) as history:
        boot = next(iter(history.boots(machine.name, 1)), None)
    if boot is None:
        sys.stdout.write(f"{machine.name} has booted nothing yet\n")
        return
    before = taken_words(boot.command_line)
    after = _as_booted(split(machine.command_line), before)
    changes = list(_lines(before, after))
    runs = "runs" if boot.back_seconds is None else "ran last"
    if changes:
        sys.stdout.write(f"its next boot differs from what it {runs}:\n")
        sys.stdout.writelines(changes)
    else:
        sys.stdout.write(f"that is what it {runs}\n")


def _as_booted(words: Sequence[str], booted: Sequence[str]) -> list[str]:
    """Give the words with what was booted in place of those that are it: `${...}` had a value there."""
    return [next((said for said in booted if is_of(word, said)), word) for word in words]


def _lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    return (f"  {sign} {escaped(word)}\n" for sign, word in difference(before, after))


def _write(machine: Machine, words: Sequence[str]) -> None:
    before = split(machine.command_line)
    changes = list(_lines(before, words))
    if not changes:
        sys.stdout.write(f"{machine.name}: nothing changes: {escaped(machine.command_line)}\n")
        return
    path = machine_file(machine.name)
    content = read_bytes(path)
    replace(path, content, with_setting(path, content, "command_line", joined(words)))
    sys.stdout.writelines(changes)
    sys.stdout.write(f"before: {escaped(machine.command_line)}\n")
    sys.stdout.write(f"{machine.name} boots it from now on: {escaped(joined(words))}\n")
    _warn(machine, words)


def _warn(machine: Machine, words: Sequence[str]) -> None:
    """Say what a machine that is netbooted misses in it."""
    if wrong := wrong_root(joined(words), has_initrd=machine.initrd is not None):
        sys.stdout.write(f"{escaped(wrong)}\n")
    if "panic" not in dict(map(parameter, words)):
        sys.stdout.write("a crash leaves it where it is; +panic=10 lets it come back\n")

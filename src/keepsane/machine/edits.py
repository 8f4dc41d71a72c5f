# SPDX-License-Identifier: GPL-2.0-or-later
"""
Changes to a command line, as they are typed: `+debug -quiet +loglevel=8`.

    +NAME, +NAME=VALUE    added; where that name stands already it takes the place of the last one, and the
                          ones before it go, of which the kernel takes no notice anyway
    -NAME                 every word of that name goes, whatever its value
    -NAME=VALUE           only the word with that very value goes

A few names may stand several times, and the kernel heeds each: `+console=tty0` is added beside
`console=ttyS0`, and `+console=ttyS0,115200` takes the place of `console=ttyS0,9600`, the same device. `-` and
`_` in a name are the same to the kernel. What stands behind `--` is init's and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from keepsane.errors import InputError
from keepsane.machine.command_line import add_front, for_kernel, parameter, split

REPEATED = frozenset(
    {
        *("console", "earlycon", "crashkernel", "memmap", "hugepagesz", "hugepages", "video", "acpi_osi"),
        *("initcall_blacklist", "trace_instance", "pci", "dm_mod.create", "systemd.mask", "systemd.wants"),
    }
)
"""Names that the kernel or systemd heeds as often as they stand there; so are all of dracut, `rd.`."""
_BY_DEVICE = frozenset({"console", "earlycon", "video"})
"""Of these the part in front of the first comma or colon says which one is meant."""


def edited(words: Sequence[str], edits: Iterable[str]) -> tuple[list[str], list[str]]:
    """
    Give the words after changes, and which words to remove were not there.

    Raises InputError for a change that is none, or a word that the kernel would cut in two.
    """
    now, missing = list(words), []
    for edit in edits:
        sign, word = edit[:1], edit[1:]
        if sign == "+" and word:
            now = _with(now, as_word(word))
        elif sign == "-" and word:
            kept = [word for at, word in enumerate(now) if not _goes(now, at, edit[1:])]
            missing += [edit[1:]] if len(kept) == len(now) else []
            now = kept
        else:
            raise InputError(
                f"{edit or 'an empty word'} says neither + nor -; write +{edit or 'NAME'} to add it"
            )
    return now, missing


def as_word(typed: str) -> str:
    """
    Write what a shell gave as one word of a command line: a value with a blank is quoted.

    Raises InputError where the kernel would cut it all the same.
    """
    if split(typed) == [typed] and typed.count('"') % 2 == 0:
        return typed
    name, equals, value = typed.partition("=")
    quoted = f'{name}="{value}"' if equals else f'"{typed}"'
    if '"' in typed or split(quoted) != [quoted]:
        raise InputError(f'{typed} cannot be one word: the kernel knows no " inside quotes')
    return quoted


def difference(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give what changed, word by word: `-` and the word that goes, `+` and the word that comes."""
    for kind, start, end, begin, stop in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from (("-", word) for word in before[start:end])
            yield from (("+", word) for word in after[begin:stop])


def _with(words: list[str], word: str) -> list[str]:
    places = [at for at in for_kernel(words) if _meaning(words[at]) == _meaning(word)]
    if not places:
        return add_front(words, word)
    words = [*words[: places[-1]], word, *words[places[-1] + 1 :]]
    return [each for at, each in enumerate(words) if at not in places[:-1]]


def _goes(words: Sequence[str], at: int, typed: str) -> bool:
    if at not in for_kernel(words):
        return False
    name, value = parameter(as_word(typed))
    its_name, its_value = parameter(words[at])
    return _name(name) == _name(its_name) and (value is None or value == its_value)


def _meaning(word: str) -> tuple[str, str | None]:
    """Give what two words have in common of which the later takes the place of the first."""
    name, value = parameter(word)
    name = _name(name)
    if name in _BY_DEVICE and value is not None:
        return name, value.partition(",")[0] if name != "video" else value.partition(":")[0]
    return name, value if name in REPEATED or name.startswith("rd.") else None


def _name(name: str) -> str:
    return name.replace("-", "_")

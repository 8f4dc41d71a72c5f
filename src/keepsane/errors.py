# SPDX-License-Identifier: GPL-2.0-or-later
"""
Every error keepsane raises on purpose.

    KeepsaneError            what happened, with which value, what to do; exit code 2
    ├── InputError           a file or stream that cannot be read at all
    ├── OutputError          what a verb has to say cannot be written
    ├── SymbolError          a vmlinux or module that cannot be used
    ├── HistoryError         what test machines booted cannot be read or written
    └── MissingExtraError    an optional dependency that is not installed

Damage inside a log is never an error: it becomes an event's `damage`.
"""


class KeepsaneError(Exception):
    """What happened, with which value, and what to do: one sentence a user can act on."""


class InputError(KeepsaneError):
    """The input cannot be read: it does not exist, may not be read, or is not what it says."""


class OutputError(KeepsaneError):
    """The output cannot be written: the disk is full, the stream is closed, the file may not be written."""


class SymbolError(KeepsaneError):
    """A vmlinux or module cannot be used: stripped, truncated, or no ELF file at all."""


class HistoryError(KeepsaneError):
    """What test machines booted cannot be read or written: damaged, of a newer keepsane, no room, locked."""


class MissingExtraError(KeepsaneError):
    """An optional dependency is missing; the message names the extra that brings it."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""
Lines of a kernel log to records: the prefix that printk, a console or a logger added is taken off.

    [   12.345678] BUG: ...                       printk with a timestamp
    <4>[   12.345678][  T123] BUG: ...            with a level and a caller id (CONFIG_PRINTK_CALLER)
    [   12.345678] [    C1] BUG: ...              as dmesg prints the caller
    Jan 15 18:51:07 host kernel: [435222.4287] .. syslog, with or without printk's own timestamp
    Jan 5 18:51:07 kernel: ...                    as a mail shows it: one space, the host left out
    [Thu Nov  6 22:36:44 2025] BUG: ...           dmesg -T: a wall clock in any language, no seconds
    [12345.678901] kernel: BUG: ...               journalctl -o short-monotonic without the host
    login: [   16.305150] INFO: ...               what stood on the console before the message
    > [   12.345678] BUG: ...                     a quoted mail, with or without timestamps

Source: kernel/printk/printk.c, print_prefix() and print_caller().
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.kernel.log.module_list import LISTED
from keepsane.model import LogRecord

MAX_RECORD_CHARACTERS = 4096
"""The longest record printk writes has about 1,000; patterns are measured against this (checks/)."""
_CALLER = r"(?:\s?\[\s*(?P<caller>[TC]\d{1,20})\])?"
_PRINTK = re.compile(
    r"(?:<(?P<level>\d{1,3})>)?"
    r"(?:\[\s*(?P<seconds>\d{1,12}\.\d{3,9})\]|(?<=>))" + _CALLER + " ?(?:kernel: )?"
)
_LOGGER = re.compile(
    r"(?:[A-Z][a-z]{2} (?:[ \d]\d|\d) [\d:.]{8,15}|\d{4}-\d\d-\d\dT[\d:.,+Z-]{8,24}) "
    r"(?:(?P<host>\S{1,255}) )??(?:\w{1,8}\.\w{1,8} )?kernel(?:\[\d{1,20}\])?: ?"
)
_PROGRAM = re.compile(
    r"(?:[A-Z][a-z]{2} [ \d]\d [\d:.]{8,15}|\d{4}-\d\d-\d\dT[\d:.,+Z-]{8,24}) \S{1,255} "
    r"(?!kern)[\w./@-]{1,80}(?:\[\d{1,20}\])?: (?!\[ {0,9}\d{1,11}\.\d|\[\w{2,5} \w|<\d{1,3}>|\d{1,3},\d)"
)
_WALL_CLOCK = re.compile(r"\[[^\W\d_]{2,4}\.? [^\W\d_]{3,5}\.? [ \d]\d [\d:]{8} \d{4}\]" + _CALLER + " ?")
_QUOTES = re.compile(r"(?:> ?){1,8}")
_TIMESTAMP = re.compile(r"\[ {0,6}\d{1,10}\.\d{6}\]")
MAX_FRONT_CHARACTERS = 300
"""How far into a line the kernel's timestamp is looked for, behind what a program wrote before it."""


def _front(text: str) -> int | None:
    """Give where the kernel's own prefix begins behind that of a prompt or a program."""
    behind = _TIMESTAMP.search(text, 0, MAX_FRONT_CHARACTERS) if "[" in text else None
    return behind.start() if behind else None


def is_of_program(text: str) -> bool:
    """Tell whether a syslog's line is of another program, and not one that passes on what a kernel said."""
    return _PROGRAM.match(text) is not None


def record(line: int, text: str) -> LogRecord:
    """
    Split line number `line` of a log into its prefix and its text; a line without a prefix is all text.

    What it has beyond MAX_RECORD_CHARACTERS is cut off: no pattern sees it.
    """
    text = text[:MAX_RECORD_CHARACTERS]
    if text[:1] == ">":
        text = _QUOTES.sub("", text, count=1)
    logger = None if text[:1] in "[<" else _LOGGER.match(text)
    if logger is not None:
        return _behind(line, text, logger.end())._replace(host=logger["host"])
    return _behind(line, text, 0 if text[:1] in "[<" else _front(text))


def _behind(line: int, text: str, start: int | None) -> LogRecord:
    """Read the kernel's own prefix, which begins at `start`."""
    if start is None:
        return LogRecord(line, None, None, None, text)
    prefix = _PRINTK.match(text, start)
    if prefix is None:
        return _without_seconds(line, text, start)
    return _with_prefix(line, text, prefix)


def _without_seconds(line: int, text: str, start: int) -> LogRecord:
    """Read a line with a wall clock, or one that a program began: `[  OK  ] Started foo.[   10.000001]`."""
    clock = _WALL_CLOCK.match(text, start)
    if clock is not None:
        return LogRecord(line, None, None, clock["caller"], text[clock.end() :])
    behind = _TIMESTAMP.search(text, start, MAX_FRONT_CHARACTERS)
    prefix = _PRINTK.match(text, behind.start()) if behind is not None else None
    if prefix is not None:
        return _with_prefix(line, text, prefix)
    return LogRecord(line, None, None, None, text[start:])


def _with_prefix(line: int, text: str, prefix: re.Match[str]) -> LogRecord:
    level, seconds, caller = prefix.group("level", "seconds", "caller")
    return LogRecord(
        line,
        float(seconds) if seconds else None,
        int(level) & 7 if level else None,
        caller,
        text[prefix.end() :],
    )


def records_of(line: int, text: str) -> Iterator[LogRecord]:
    """Yield the records of one line: one, unless it is a long list of modules, which goes on in others."""
    first = record(line, text)
    if len(text) <= MAX_RECORD_CHARACTERS or not first.text.startswith(LISTED):
        yield first
        return
    words, size = [], 0
    for word in text[text.index(LISTED) :].split():
        words.append(word)
        size += len(word) + 1
        if size > MAX_RECORD_CHARACTERS // 2:
            yield first._replace(text=" ".join(words))
            words, size = [""], 0
    yield first._replace(text=" ".join(words))

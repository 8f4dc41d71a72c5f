# SPDX-License-Identifier: GPL-2.0-or-later
"""The named groups of a match fill the fields of their name, as their annotations say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.groups import Hex, read, said, task_of
from keepsane.model import Task


@dataclass(frozen=True)
class _Access:
    what: str
    address: Hex | None = None
    count: int | None = None
    times: tuple[int, ...] = ()


_LINE = re.compile(
    r"(?P<what>\w+)(?: at (?P<address>[0-9a-f]+|\(null\)))?(?: count (?P<count>\w+)| no (?P<count_>\d+))?"
)


def test_a_group_is_read_as_its_field_is_annotated() -> None:
    assert read(_Access, _LINE.match("read at 0010 count 10")) == _Access("read", 16, 10)
    assert read(_Access, _LINE.match("read count 0x10")) == _Access("read", None, 16)
    assert read(_Access, _LINE.match("read at (null) no 7")) == _Access("read", 0, 7)


def test_the_first_that_says_a_field_counts_and_no_match_says_nothing() -> None:
    assert said(_Access, None, _LINE.match("read"), _LINE.match("write count 2")) == {
        "what": "read",
        "count": 2,
    }
    assert read(_Access, _LINE.match("read"), what="free", times=(1,)) == _Access("free", times=(1,))


def test_a_task_is_what_the_groups_name() -> None:
    named = re.compile(r"(?P<comm>\w+)?:(?P<pid>\d+)?(?P<offset>\w*)")
    assert task_of(named.match("init:1 ")) == Task(comm="init", pid=1)
    assert task_of(named.match(":x")) is None
    assert task_of(None) is None

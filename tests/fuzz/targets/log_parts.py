# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reading a log in its three parts, each by itself and against the clock: input stage, scan, parsers.

No record may take more than RECORD_SECONDS of processor time. What is over it once is tried again: twice more
in a row is no chance.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from keepsane.kernel.log.block import Block
from keepsane.kernel.log.body import BodyReader
from keepsane.kernel.log.dress.letters import spaced
from keepsane.kernel.log.dress.stage import Stage
from keepsane.kernel.log.kinds import GATE, KINDS, openings_of
from keepsane.kernel.log.records import MAX_RECORD_CHARACTERS, records_of
from keepsane.kernel.log.scan import Scanner
from tests.fuzz.targets.log import log_seeds
from tests.fuzz.targets.target import Target

RECORD_SECONDS = 0.02
MAX_HEADS = 3
"""The most lines of one input that are tried as the head of one kind."""


def _lines(data: bytes) -> list[str]:
    return [line.rstrip("\r") for line in data.decode("utf-8", "surrogateescape").split("\n")]


def _stage_steps(lines: list[str]) -> Iterator[int]:
    stage = Stage()
    for number, line in enumerate(lines, 1):
        text = line if line.isascii() else spaced(line)
        yield len(
            list(stage.read(number, text, gated=GATE.search(text, 0, MAX_RECORD_CHARACTERS) is not None))
        )
    yield len(list(stage.finish()))


def _scan_steps(lines: list[str]) -> Iterator[int]:
    scanner = Scanner()
    waiting = 0
    for number, line in enumerate(lines, 1):
        waiting += 1
        if events := list(scanner.read(number, line)):
            yield waiting
            waiting = len(events)
        else:
            yield 1
    list(scanner.finish())
    yield waiting


def _parser_steps(lines: list[str]) -> Iterator[int]:
    records = [record for number, line in enumerate(lines, 1) for record in records_of(number, line)]
    reader = BodyReader()
    for record in records:
        reader.take(record)
        yield 1
    body = reader.finish()
    yield len(records)
    for opening in (opening for module in KINDS for opening in openings_of(module)):
        heads = ((record, opening.pattern.match(record.text)) for record in records)
        found = [(record, match) for record, match in heads if match is not None][:MAX_HEADS]
        yield len(records)
        for record, match in found:
            opening.parse(
                Block(
                    opening=opening,
                    head=match,
                    head_record=record,
                    openings=(opening.name,),
                    records=tuple(records),
                    body=body,
                    cut=False,
                )
            )
            yield len(records)


def _slowest(steps: Callable[[list[str]], Iterator[int]], lines: list[str]) -> tuple[float, int]:
    """Give the seconds a record of the slowest step, and the number of that step."""
    worst, where = 0.0, 0
    gc.collect()
    gc.disable()
    try:
        begun = time.process_time()
        for number, records in enumerate(steps(lines)):
            spent = (time.process_time() - begun) / max(
                records, 1 + max(map(len, lines)) // MAX_RECORD_CHARACTERS
            )
            worst, where = max((worst, where), (spent, number))
            begun = time.process_time()
    finally:
        gc.enable()
    return worst, where


def _target(steps: Callable[[list[str]], Iterator[int]]) -> Target:
    def feed(data: bytes, folder: Path) -> None:
        lines = _lines(data)
        tries = 0
        while (found := _slowest(steps, lines))[0] > RECORD_SECONDS:
            tries += 1
            assert tries < 3, f"too slow: {found[0] * 1000:.0f} ms a record in step {found[1]}"

    return Target(feed, log_seeds)


STAGE, SCAN, PARSERS = _target(_stage_steps), _target(_scan_steps), _target(_parser_steps)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Feeding inputs to a target, and keeping the first that failed at each place."""

from __future__ import annotations

import hashlib
import random
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import atheris

from bench.fuzzing import mutate
from tests.fuzz.targets.names import TARGETS
from tests.fuzz.targets.samples import IN_TEXT

HANG_SECONDS = 10.0
"""Of processor time, so that what else the machine does is no hang."""
COMMITTED = Path(__file__).parents[2] / "tests" / "fuzz"
LOG_BYTES = 65_536
MAX_BYTES = {
    "log": LOG_BYTES,
    "stage": LOG_BYTES,
    "scan": LOG_BYTES,
    "parsers": LOG_BYTES,
    "capture": 131_072,
    "record": 262_144,
    "cache": 8_192,
    "ko": 8_192,
}


class Hang(BaseException):
    """An input took longer than HANG_SECONDS. No Exception: no handler of keepsane's may take it for one."""


def fuzz(name: str, folder: Path, options: Sequence[str]) -> None:
    """Write the seeds, then feed changed ones until an option of libFuzzer's ends it."""
    corpus, found = folder / "corpus", folder / "found"
    for path in (corpus, found):
        path.mkdir(parents=True, exist_ok=True)
    seeds = list(TARGETS[name].seeds())
    for seed in seeds:
        (corpus / f"seed-{hashlib.sha256(seed).hexdigest()[:16]}").write_bytes(seed)
    signal.signal(signal.SIGVTALRM, _hangs)
    change = _mutator(name, seeds, folder)

    def one_input(data: bytes) -> None:
        _try(name, data, found)

    def custom(data: bytes, max_bytes: int, seed: int) -> bytes:
        chance = random.Random(seed)
        made = change(data, chance)
        return made[:max_bytes]

    limits = f"-max_len={MAX_BYTES[name]}", f"-artifact_prefix={found}/"
    folders = [str(path) for path in (corpus, COMMITTED / name) if path.is_dir()]
    atheris.Setup([sys.argv[0], *limits, *options, *folders], one_input, custom_mutator=custom)
    atheris.Fuzz()


def _hangs(number: int, frame: FrameType | None) -> None:
    raise Hang(f"over {HANG_SECONDS:g} s")


def _try(name: str, data: bytes, found: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="keepsane-fuzz-", ignore_cleanup_errors=True) as folder:
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG_SECONDS)
        try:
            TARGETS[name].feed(data, Path(folder))
        except (Exception, Hang) as fault:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            _keep(fault, data, found)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def place_of(fault: BaseException) -> str:
    """Name what was raised and the line of keepsane that raised it: two faults of one place are one."""
    frames = [one for one in traceback.extract_tb(fault.__traceback__) if "keepsane" in one.filename]
    last = frames[-1] if frames else None
    where = f"{Path(last.filename).stem}-{last.name}-{last.lineno}" if last else "target"
    said = re.sub(r"[^a-z]+", "-", str(fault).lower())[:30] if isinstance(fault, AssertionError) else ""
    return f"{type(fault).__name__}-{where}{said and '-'}{said}"


def _keep(fault: BaseException, data: bytes, found: Path) -> None:
    path = found / place_of(fault)
    if path.exists():
        return
    path.write_bytes(data)
    said = "".join(traceback.format_exception(fault))
    path.with_name(f"{path.name}.traceback").write_text(said, errors="replace")
    sys.stderr.write(f"\n== found: {path}\n{said[-3000:]}\n")


def _mutator(name: str, seeds: list[bytes], folder: Path) -> mutate.Mutator:
    if name == "ko":
        return mutate.changes_mutator(mutate.module_change(folder / "module.ko"))
    if name == "cache":
        return mutate.changes_mutator(mutate.cache_change)
    pool = [line for seed in seeds if b"\0" not in seed for line in seed.splitlines()]
    lines = mutate.lines_mutator(pool)

    def change(data: bytes, chance: random.Random) -> bytes:
        if chance.random() < 0.1:
            return bytes(atheris.Mutate(data, len(data) + 64))
        if b"\0" not in data[:4096] or data.startswith(IN_TEXT):
            return lines(data, chance)
        if name == "record" and chance.random() < 0.8:
            return mutate.record_mutator(data, chance) or data
        return bytes(atheris.Mutate(data, len(data) + 64))

    return change

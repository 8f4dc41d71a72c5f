# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's files and console logs, and what keepsane's command line says of a log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LAB_COMMAND = Path(__file__).with_name("lab")
EXIT_CODES = (1, 2)  # something was found; the same, and the vmlinux that was named contradicts the log

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Guest:
    """One kernel of the lab: its release, vmlinux, crashme.ko and console logs."""

    release: str
    folder: Path

    @property
    def vmlinux(self) -> Path:
        return self.folder / "debug" / self.release / "vmlinux"

    @property
    def modules(self) -> Path:
        return self.folder / "module" / self.release

    @property
    def series(self) -> str:
        return ".".join(self.release.split(".")[:2])

    def log(self, scenario: str) -> Path:
        return self.folder / "logs" / self.release / f"{scenario}.log"


def lab_folder() -> Path:
    """Where the lab keeps what it fetched, as the lab itself decides it."""
    cache = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(os.environ.get("LAB", Path(cache) / "keepsane-lab"))


def read_guests() -> tuple[Guest, ...]:
    """Boot what has no fresh log yet, and give every kernel of the lab."""
    subprocess.run([LAB_COMMAND, "logs"], check=True, stdin=subprocess.DEVNULL)
    return read_kernels()


def read_kernels() -> tuple[Guest, ...]:
    """Give every kernel of the lab, its logs as they may be."""
    said = subprocess.run([LAB_COMMAND, "kernels"], check=True, capture_output=True, text=True)
    return tuple(Guest(release, lab_folder()) for release in said.stdout.split())


@cache
def boot_edges() -> None:
    """Boot the guests of edges.c that have no fresh log yet; a log is VARIANT/edges, its text beside it."""
    subprocess.run([LAB_COMMAND, "edges"], check=True, stdin=subprocess.DEVNULL)


@cache
def boot_arm64() -> Guest:
    """Fetch the arm64 kernel if need be, boot what has no fresh log yet, and give the guest."""
    subprocess.run([LAB_COMMAND, "arm64"], check=True, stdin=subprocess.DEVNULL)
    said = subprocess.run([LAB_COMMAND, "arm64-kernel"], check=True, capture_output=True, text=True)
    return Guest(said.stdout.strip(), lab_folder())


def explain(cache_home: Path, log: Path, vmlinux: Path, modules: Path, *options: str) -> Json:
    """What the command line says of a log as JSON; it must have found something and broken nowhere."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache_home)}  # never the cache of who runs the tests
    command: list[str | Path] = [sys.executable, "-m", "keepsane.cli", "explain", log, "--format", "json"]
    command += ["--vmlinux", vmlinux, "--modules", modules, *options]
    said = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    assert said.returncode in EXIT_CODES, said.stderr
    assert "Traceback" not in said.stderr
    report: Json = json.loads(said.stdout)
    return report


def frames(event: Json) -> Iterator[Json]:
    """Every frame of an event, what was executing first."""
    if event["ip"]:
        yield event["ip"]
    for stack in event["stacks"]:
        yield from stack["frames"]


def plain_name(function: str) -> str:
    """A function's name without what compilers add to its clones."""
    return re.sub(r"\.(isra|constprop|part|cold|llvm)\b.*", "", function)

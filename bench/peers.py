# SPDX-License-Identifier: GPL-2.0-or-later
"""
The programs that keepsane is measured against, and the lab's files that they all read.

The kernel's scripts come from the Debian package linux-source-6.1 and stay in the lab's folder.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.guests import LAB_COMMAND, Guest, lab_folder

SCRIPTS = ("decode_stacktrace.sh", "decodecode", "faddr2line")
SOURCE_PACKAGE = "linux-source-6.1"


class Place(NamedTuple):
    """One level of an inline chain; the file's base name, the function without clone suffix."""

    function: str
    file: str
    line: int


def guest(series: str = "6.12") -> Guest:
    """The lab's kernel of a series, with its logs; what is missing is fetched and booted."""
    subprocess.run([LAB_COMMAND, "setup"], check=True)
    listed = subprocess.run([LAB_COMMAND, "kernels"], check=True, capture_output=True, text=True).stdout
    release = next(release for release in listed.split() if release.startswith(f"{series}."))
    return Guest(release, lab_folder())


def lab_log(of: Guest, scenario: str) -> Path:
    """The console log of a scenario, booted where it is not there yet."""
    subprocess.run([LAB_COMMAND, "logs", scenario], check=True, stdin=subprocess.DEVNULL)
    return of.log(scenario)


def decode_stacktrace(vmlinux: Path, modules: Path) -> Sequence[str | Path]:
    """The command that decodes a log on standard input with the kernel's own script."""
    return ["bash", kernel_script("decode_stacktrace.sh"), vmlinux, "", modules]


def kernel_script(name: str) -> Path:
    """A script of the kernel's tree, unpacked from Debian's source package the first time."""
    folder = lab_folder() / "scripts"
    if not all((folder / script).exists() for script in SCRIPTS):
        _unpack_scripts(folder)
    return folder / name


def _unpack_scripts(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        fetched = Path(name)
        subprocess.run(["apt-get", "download", "-qq", SOURCE_PACKAGE], check=True, cwd=fetched)
        (package,) = fetched.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, fetched / "x"], check=True)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [f"{SOURCE_PACKAGE}/scripts/{script}" for script in SCRIPTS]
        archive = fetched / "x/usr/src" / f"{SOURCE_PACKAGE}.tar.xz"
        subprocess.run(["tar", "-xJf", archive, "-C", folder, "--strip-components=2", *wanted], check=True)


def plain_name(function: str) -> str:
    """A function's name without what compilers add to its clones."""
    return re.sub(r"\.(isra|constprop|part|cold|llvm|lto_priv)\b.*", "", function)


def llvm_symbolizer(vmlinux: Path) -> Sequence[str | Path]:
    """The command that symbolizes addresses on standard input, one JSON object a line."""
    return ["llvm-symbolizer", f"--obj={vmlinux}", "--output-style=JSON", "--inlines", "--functions=linkage"]


def symbolize(vmlinux: Path, addresses: Sequence[int]) -> list[tuple[Place, ...]]:
    """What llvm-symbolizer says of each address, innermost first; empty where it has no line."""
    asked = "\n".join(f"{address:#x}" for address in addresses) + "\n"
    said = subprocess.run(llvm_symbolizer(vmlinux), input=asked, capture_output=True, text=True, check=True)
    return [_chain(json.loads(line)["Symbol"]) for line in said.stdout.splitlines()]


def _chain(levels: list[dict[str, Any]]) -> tuple[Place, ...]:
    if len(levels) == 1 and levels[0]["Line"] == 0:  # a file of the symbol table, no line information
        return ()
    return tuple(
        Place(plain_name(level["FunctionName"]), Path(level["FileName"]).name, level["Line"])
        for level in levels
        if level["FileName"]
    )


def symbol_addresses(vmlinux: Path) -> defaultdict[str, frozenset[int]]:
    """The addresses of each symbol by its name without clone suffix; several where a name is used again."""
    listed = subprocess.run(["nm", vmlinux], check=True, capture_output=True, text=True).stdout
    addresses: defaultdict[str, frozenset[int]] = defaultdict(frozenset)
    for line in listed.splitlines():
        address, _, name = line.split(maxsplit=2)
        addresses[plain_name(name)] |= {int(address, 16)}
    return addresses


class Function(NamedTuple):
    """A function of vmlinux's symbol table."""

    start: int
    size: int


def functions(vmlinux: Path) -> list[Function]:
    """The functions of vmlinux's symbol table that have a size, one for each address, in order."""
    listed = subprocess.run(["nm", "-S", vmlinux], check=True, capture_output=True, text=True).stdout
    fields = [line.split() for line in listed.splitlines()]
    sized = {
        int(field[0], 16): int(field[1], 16) for field in fields if len(field) == 4 and field[2] in "tTwW"
    }
    return [Function(start, size) for start, size in sorted(sized.items()) if size]

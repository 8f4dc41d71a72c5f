# SPDX-License-Identifier: GPL-2.0-or-later
"""
Renews requirements/*.txt: the newest versions that fit together, each with the hashes of its wheels.

    python -m checks.renew_requirements [ROOT]    needs uv: it resolves for all Pythons and machines at once

Only wheels for the environments below are listed, so that pip takes no other file and builds nothing.
A file names no index and no address: where packages come from is pip's setting.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from checks.pythons import VERSIONS

EXTRAS = {
    "run": ("symbols",),
    "dev": ("all", "dev"),
    "fuzz": ("symbols", "fuzz"),
}  # requirements/NAME.txt: keepsane with these extras
EDITABLE_NEEDS = ("editables",)  # the build backend asks for it only while it makes an editable install
MACHINES = ("x86_64", "aarch64")
LINUX = re.compile(r"(?:manylinux|musllinux)\w*?_(?P<machine>x86_64|aarch64)")
HEAD = """\
# SPDX-License-Identifier: GPL-2.0-or-later
# Every package by name, number and the hashes of its wheels. Renewed by checks/renew_requirements.py.
"""


class Target(NamedTuple):
    """A CPython on a Linux machine, for which wheels are listed."""

    python: tuple[int, int]
    machine: str

    def environment(self) -> dict[str, str]:
        """Return what a marker is judged by there; all else is as on this machine."""
        version = "{}.{}".format(*self.python)
        here = {"python_version": version, "python_full_version": f"{version}.0"}
        here |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
        here |= {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"}
        here["platform_machine"] = self.machine
        return here

    def takes(self, wheel: str) -> bool:
        """Tell whether pip would install a wheel of this file name there, with whichever C library."""
        tags = {
            Tag(tag.interpreter, tag.abi, _machine(tag.platform)) for tag in parse_wheel_filename(wheel)[3]
        }
        return not tags.isdisjoint(self._tags())

    def _tags(self) -> Iterator[Tag]:
        interpreter = "cp{}{}".format(*self.python)
        yield from cpython_tags(self.python, abis=[interpreter], platforms=[self.machine])
        yield from compatible_tags(self.python, interpreter=interpreter, platforms=[self.machine])


TARGETS = [Target(python, machine) for python in VERSIONS for machine in MACHINES]


def main(root: Path) -> int:
    """Write every file of the table under `root`; 1 where there is no uv, or a package without a wheel."""
    uv = shutil.which("uv")
    if uv is None:
        print("uv is missing: .venv/bin/pip install uv, then PATH=.venv/bin:$PATH", file=sys.stderr)
        return 1
    for name, extras in EXTRAS.items():
        try:
            text = requirements(_resolve(uv, root, extras))
        except LookupError as error:
            print(f"requirements/{name}.txt: {error.args[0]}", file=sys.stderr)
            return 1
        (root / "requirements" / f"{name}.txt").write_text(text, encoding="utf-8")
    return 0


def requirements(lock: Mapping[str, Any]) -> str:
    """
    Write a lock file's packages (PEP 751, as parsed) as requirements with hashes.

    Raises LookupError where a package has no wheel for one of the targets that its marker names.
    """
    return HEAD + "".join(said for package in lock["packages"] for said in _entry(package))


def _entry(package: Mapping[str, Any]) -> Iterator[str]:
    wanted = list(_wanted(package.get("marker")))
    if not wanted:
        return
    wheels = [(_file_name(wheel["url"]), wheel["hashes"]["sha256"]) for wheel in package.get("wheels", ())]
    for target in wanted:
        if not any(target.takes(name) for name, _ in wheels):
            raise LookupError(f"{package['name']} {package['version']} has no wheel for {target}")
    marker = f" ; {package['marker']}" if len(wanted) < len(TARGETS) else ""
    hashes = sorted(digest for name, digest in wheels if any(target.takes(name) for target in wanted))
    yield " \\\n    ".join(
        [
            f"{package['name']}=={package['version']}{marker}",
            *(f"--hash=sha256:{digest}" for digest in hashes),
        ]
    )
    yield "\n"


def _wanted(marker: str | None) -> Iterable[Target]:
    return (t for t in TARGETS if marker is None or Marker(marker).evaluate(t.environment()))


def _machine(platform: str) -> str:
    found = LINUX.fullmatch(platform)
    return found["machine"] if found else platform


def _file_name(address: str) -> str:
    return unquote(address.rpartition("/")[2])


def _resolve(uv: str, root: Path, extras: Iterable[str]) -> dict[str, Any]:
    with (root / "pyproject.toml").open("rb") as file:
        build = [*tomllib.load(file)["build-system"]["requires"], *EDITABLE_NEEDS]
    with tempfile.TemporaryDirectory() as folder:
        needs, lock = Path(folder, "build.in"), Path(folder, "pylock.toml")
        needs.write_text("\n".join(build), encoding="utf-8")
        chosen = [word for extra in extras for word in ("--extra", extra)]
        oldest = "{}.{}".format(*VERSIONS[0])
        command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", oldest]
        # One version for all Pythons: what is tested on one is what runs on the others.
        command += ["--fork-strategy", "fewest", "--format", "pylock.toml", "--output-file", str(lock)]
        subprocess.run([*command, *chosen, "pyproject.toml", str(needs)], cwd=root, check=True)
        return tomllib.loads(lock.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2]).resolve()))

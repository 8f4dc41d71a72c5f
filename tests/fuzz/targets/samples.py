# SPDX-License-Identifier: GPL-2.0-or-later
"""
Samples of a machine as one text, in the form of tests/cases/memory-rules: a section for each file.

    ==> t0/proc/uptime <==
    100.00 150.00
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from keepsane.memory.capture.capture import read_capture
from tests.memory_case import CASES

MACHINES = CASES.with_name("memory")
IN_TEXT = b"==> "
MAX_FILES = 400
_SECTION = re.compile(r"^==> (t\d{1,3})/([^\n\0]{1,200}) <==\n", re.MULTILINE)


def sections(data: bytes) -> dict[str, dict[str, str]]:
    """Read the text: for each sample, in the order of the text, its files; no path leads out of it."""
    parts = _SECTION.split(data.decode("utf-8", "replace"))[1 : 1 + 3 * MAX_FILES]
    found: dict[str, dict[str, str]] = {}
    for top, path, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if not {"", ".", ".."} & set(path.split("/")):
            found.setdefault(top, {})[path] = text
    return found


def as_text(samples: Mapping[str, Mapping[str, str]]) -> bytes:
    """Write it."""
    said = (
        f"==> {top}/{path} <==\n{text}{'' if text.endswith(chr(10)) else chr(10)}"
        for top, files in samples.items()
        for path, text in files.items()
    )
    return "".join(said).encode()


def as_tar(samples: Mapping[str, Mapping[str, str]]) -> bytes:
    """Make a plain tar of it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for top, files in samples.items():
            for path, text in files.items():
                info = tarfile.TarInfo(f"{top}/{path}")
                content = text.encode()
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def as_folder(samples: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Write the files below a folder; one whose name is too long, or a folder's by now, is left out."""
    for top, files in samples.items():
        for path, text in files.items():
            try:
                (folder / top / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / top / path).write_text(text, encoding="utf-8")
            except OSError:
                continue


def cases() -> Iterator[bytes]:
    """The cases of the rules about memory, and three whole machines."""
    for path in sorted(CASES.glob("*.capture")):
        yield path.read_bytes().partition(b"\n\n")[2]
    for name in ("healthy-cache-6.12", "zone-reclaim-on-6.1", "cgroup-limit-6.12"):
        snapshots = read_capture(MACHINES / f"{name}.tar.gz")
        yield as_text({"t0": snapshots[0].files, "t1": snapshots[-1].files})

# SPDX-License-Identifier: GPL-2.0-or-later
"""Which binary a log's frames are decoded from: the one named, else the one found, never a false one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from keepsane.errors import SymbolError
from keepsane.model import Event, Frame, Kernel
from keepsane.report import Check, Failure
from keepsane.symbols.binary.find import (
    build_id_files,
    kept_module_dirs,
    missing_sentence,
    module_dirs,
    vmlinux_files,
)
from keepsane.symbols.binary.image import Image
from keepsane.symbols.binary.modules import files_of
from keepsane.symbols.identity.binaries import Binaries
from keepsane.symbols.identity.identity import check, contradicts
from keepsane.symbols.identity.printed import facts_of
from keepsane.symbols.lines.names import is_livepatch

_READ_VMLINUX = "read the vmlinux"


def unusable_vmlinux(problem: Exception) -> Failure:
    """Say that a vmlinux cannot be used, and why."""
    return Failure(_READ_VMLINUX, str(problem), "unusable-vmlinux")


@dataclass(slots=True)
class Files:
    """What was asked for, and what opening the files brought to light: `checks` and `failures`."""

    vmlinux: Path | None
    modules: tuple[Path, ...]
    debug_dirs: tuple[Path, ...]
    events: tuple[Event, ...]
    kernel: Kernel
    binaries: Binaries
    checks: list[Check] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    kernel_build_id: str | None = None


def open_kernel(files: Files) -> tuple[Image | None, str]:
    """Open the vmlinux of the log; without one, the second value is the note for its frames."""
    paths = (files.vmlinux,) if files.vmlinux else vmlinux_files(files.kernel, files.debug_dirs)
    # Header packages ship a vmlinux that holds types and no code: it is nobody's to decode from.
    found = _chosen(files, paths, None, needs_lines=files.vmlinux is None)
    if found is None:
        if files.vmlinux is None:
            files.failures.append(Failure("decode the frames of the kernel", missing_sentence(files.kernel)))
        return None, "not decoded: no vmlinux"
    files.kernel_build_id = found[0].elf.build_id if found[0] else None
    return found


def open_module(files: Files, module: str, frames: Sequence[Frame]) -> tuple[Image | None, str]:
    """Open the `.ko` of a module; without one, the second value is the note for its frames."""
    build_id = next((frame.build_id for frame in frames if frame.build_id), None)
    paths = build_id_files(build_id, files.debug_dirs) or _module_files(files, module)
    found = _chosen(files, paths, module)
    if found is None:
        files.failures.append(
            Failure(f"decode the frames of {module}", missing_sentence(files.kernel, module))
        )
        live = "a live patch, and " if is_livepatch(module) else ""
        return None, f"not decoded: {live}no {module}.ko"
    return found


def _module_files(files: Files, module: str) -> list[Path]:
    # One directory after the other: walking the system's own takes longer than decoding a trace.
    kept = kept_module_dirs(files.kernel, files.kernel_build_id)
    for directory in dict.fromkeys((*files.modules, *kept, *module_dirs(files.kernel, files.debug_dirs))):
        paths = files_of(files.binaries.index(directory), module, files.kernel.release)
        if paths:
            return paths
    return []


class _Judged(NamedTuple):
    """A file, and what came of holding the log against it."""

    image: Image
    checks: tuple[Check, ...]

    @property
    def rank(self) -> tuple[bool, bool]:
        return contradicts(self.checks), not self.image.elf.has_debug_info


def _chosen(
    files: Files, paths: Iterable[Path], module: str | None, *, needs_lines: bool = False
) -> tuple[Image | None, str] | None:
    """
    Give the file that agrees with the log, one with lines before one without; None where there is none.

    Each is judged before the next is opened: a compressed one takes room, and the first is mostly right.
    """
    facts = facts_of(files.events, files.kernel, module)
    best: _Judged | None = None
    for path in paths:
        try:
            image = files.binaries.open(path)
            if needs_lines and not image.elf.has_debug_info:
                continue
            judged = _Judged(image, check(facts, image))
        except SymbolError as problem:
            what = f"read the file of module {module}"
            files.failures.append(Failure(what, str(problem)) if module else unusable_vmlinux(problem))
            continue
        best = judged if best is None or judged.rank < best.rank else best
        if best.rank == (False, False):
            break
    if best is None:
        return None
    files.checks += best.checks
    if contradicts(best.checks):
        return None, f"not decoded: {best.image.path} contradicts the log"
    return best.image, ""

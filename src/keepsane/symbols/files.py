# SPDX-License-Identifier: GPL-2.0-or-later
"""Which binary a log's frames are decoded from: the one named, else the one found, never a false one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keepsane.errors import SymbolError
from keepsane.model import Check, Event, Failure, Frame, Kernel
from keepsane.symbols.cache import Cache
from keepsane.symbols.facts import facts_of
from keepsane.symbols.find import build_id_files, missing_sentence, module_dirs, vmlinux_files
from keepsane.symbols.identity import check, contradicts
from keepsane.symbols.image import Image, open_image
from keepsane.symbols.modules import ModuleIndex, files_of, index_modules
from keepsane.symbols.names import is_livepatch

READ_VMLINUX = "read the vmlinux"
"""What a Failure says was tried where a vmlinux cannot be used."""


@dataclass(slots=True)
class Files:
    """What was asked for, and what opening the files brought to light: `checks` and `failures`."""

    vmlinux: Path | None
    modules: tuple[Path, ...]
    debug_dirs: tuple[Path, ...]
    events: tuple[Event, ...]
    kernel: Kernel
    cache: Cache
    indexes: dict[Path, ModuleIndex] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def open_kernel(files: Files) -> tuple[Image | None, str]:
    """Open the vmlinux of the log; without one, the second value is the note for its frames."""
    paths = (files.vmlinux,) if files.vmlinux else vmlinux_files(files.kernel, files.debug_dirs)
    images = _opened(files, paths, READ_VMLINUX)
    if files.vmlinux is None:
        # Header packages ship a vmlinux that holds types and no code: it is nobody's to decode from.
        images = [image for image in images if image.elf.has_debug_info]
        if not images:
            files.failures.append(Failure("decode the frames of the kernel", missing_sentence(files.kernel)))
    if not images:
        return None, "not decoded: no vmlinux"
    return _first_agreeing(files, images, None)


def open_module(files: Files, module: str, frames: Sequence[Frame]) -> tuple[Image | None, str]:
    """Open the `.ko` of a module; without one, the second value is the note for its frames."""
    build_id = next((frame.build_id for frame in frames if frame.build_id), None)
    paths = build_id_files(build_id, files.debug_dirs) or _module_files(files, module)
    images = _opened(files, paths, f"read the file of module {module}")
    images.sort(key=lambda image: build_id is not None and image.elf.build_id != build_id)
    if not images:
        files.failures.append(
            Failure(f"decode the frames of {module}", missing_sentence(files.kernel, module))
        )
        live = "a live patch, and " if is_livepatch(module) else ""
        return None, f"not decoded: {live}no {module}.ko"
    return _first_agreeing(files, images, module)


def _module_files(files: Files, module: str) -> list[Path]:
    # One directory after the other: walking the system's own takes longer than decoding a trace.
    for directory in dict.fromkeys((*files.modules, *module_dirs(files.kernel, files.debug_dirs))):
        if directory not in files.indexes:
            files.indexes[directory] = index_modules(directory)
        paths = files_of(files.indexes[directory], module, files.kernel.release)
        if paths:
            return paths
    return []


def _opened(files: Files, paths: Iterable[Path], what: str) -> list[Image]:
    images = []
    for path in paths:
        try:
            images.append(open_image(path, files.cache))
        except SymbolError as problem:
            files.failures.append(Failure(what, str(problem)))
    return sorted(images, key=lambda image: not image.elf.has_debug_info)


def _first_agreeing(files: Files, images: Sequence[Image], module: str | None) -> tuple[Image | None, str]:
    facts = facts_of(files.events, files.kernel, module)
    first: tuple[Check, ...] | None = None
    for image in images:
        checks = check(facts, image)
        if not contradicts(checks):
            files.checks += checks
            return image, ""
        first = first or checks
    files.checks += first or ()
    return None, f"not decoded: {images[0].path} contradicts the log"

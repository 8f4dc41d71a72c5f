# SPDX-License-Identifier: GPL-2.0-or-later
"""
What `make install` hands to an installkernel, and what belongs to it in the tree.

    keepsane-install 6.12.9-test+ arch/x86/boot/bzImage System.map /boot

Kbuild starts it in the object tree; the paths are relative to it, the release may be empty. Source:
scripts/install.sh and Documentation/kbuild/kbuild.rst.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from keepsane.errors import InputError
from keepsane.netboot.kernel_image import HEAD_BYTES, KernelImage, read_image_head


class Gathered(NamedTuple):
    """
    What becomes a build: its files by the names they get, and what its receipt says beside them.

    `scratch` is a folder that is removed afterwards.
    """

    files: Mapping[str, Path]
    said: Mapping[str, Any]
    scratch: Path


_STUB_BYTES = 4096
"""A System.map below it is a distribution's stub, which says where the real one is."""
_GIT_SECONDS = 10
_HARMLESS = ("-c", "log.showSignature=false", "-c", "core.fsmonitor=false")
"""A tree's own settings name programs, which only its owner's git should run."""


def sources(image: Path, system_map: Path) -> dict[str, Path]:
    """Give the files of a build that are there, by the names they get."""
    found = {"kernel": image}
    if system_map.is_file() and system_map.stat().st_size > _STUB_BYTES:
        found["System.map"] = system_map
    beside = {"vmlinux": Path("vmlinux"), "config": Path(".config")}
    return found | {name: path for name, path in beside.items() if path.is_file()}


def check_image(image: Path) -> KernelImage:
    """Read what a bzImage says of itself. Raises InputError where it is none, or cut off."""
    if image.exists() and not image.is_file():  # to open a pipe would wait for ever
        raise InputError(f"{image} is no file; name arch/x86/boot/bzImage")
    try:
        with image.open("rb") as file:
            head = read_image_head(file.read(HEAD_BYTES))
            size_bytes = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise InputError(f"cannot read {image}: {error.strerror or error}; build it first") from error
    if head is None:
        raise InputError(f"{image} is no bzImage; name arch/x86/boot/bzImage")
    if size_bytes < head.least_bytes:  # iPXE of 2019 does not look, and the machine hangs
        raise InputError(f"{image} is cut off: {size_bytes} of {head.least_bytes} bytes; build it again")
    return head


def said_of(image: Path, release: str, build_id: str | None) -> dict[str, Any]:
    """Give what a receipt says beside its files. Raises InputError where the image is no kernel."""
    head = check_image(image)
    tree = source_tree(os.environ)
    return {
        "release": release or head.release,
        "number": head.number,
        "banner": head.banner,
        "build_id": build_id,
        "tree": str(tree),
        "commit": ask_git(tree, "rev-parse", "HEAD"),
        "subject": ask_git(tree, "show", "--no-patch", "--format=%s", "HEAD"),
    }


def source_tree(environment: Mapping[str, str]) -> Path:
    """Give the source tree: `srctree` of make's environment, else the current directory."""
    return Path(environment.get("srctree", ".")).resolve()


def ask_git(tree: Path, *words: str) -> str:
    """Ask git about a tree; "" where it is none of git's, or says nothing."""
    try:
        ran = subprocess.run(
            ("git", "-C", str(tree), *_HARMLESS, *words),  # noqa: S607
            capture_output=True,
            env={**os.environ, "GIT_NO_LAZY_FETCH": "1"},
            timeout=_GIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.decode("utf-8", "replace").strip() if ran.returncode == 0 else ""

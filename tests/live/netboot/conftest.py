# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's kernels without the logs of their crashes, and a kernel that is built here."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.live.guests import LAB_COMMAND, Guest, lab_folder, read_kernels
from tests.live.netboot.lab import Lab

PLAIN = "console=ttyS0 panic=1"


class OwnKernel(NamedTuple):
    """A kernel tree that was built, a git repository, and an initrd that does what `do=` says."""

    tree: Path
    initrd: Path

    @property
    def image(self) -> Path:
        return self.tree / "arch" / "x86" / "boot" / "bzImage"


@pytest.fixture(scope="session")
def guests() -> tuple[Guest, ...]:
    return read_kernels()


@pytest.fixture(scope="session")
def own_kernel() -> OwnKernel:
    subprocess.run([LAB_COMMAND, "netboot-kernel"], check=True, stdin=subprocess.DEVNULL)
    return OwnKernel(lab_folder() / "netboot" / "linux", lab_folder() / "initrd" / "netboot")


@pytest.fixture
def small_lab(tmp_path: Path, own_kernel: OwnKernel) -> Lab:
    """A machine `box`, and a tree that holds the kernel that is built here."""
    lab = Lab(tmp_path / "home", tmp_path / "tree")
    lab.describe("box", PLAIN, initrd=str(own_kernel.initrd))
    lab.hold(own_kernel.image)
    return lab

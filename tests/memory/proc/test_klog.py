# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel log of the machine itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from keepsane.memory.proc.klog import read_klog
from keepsane.memory.snapshot import Missing


@pytest.mark.skipif(shutil.which("dmesg") is None, reason="dmesg is not installed")
def test_it_says_what_dmesg_says_or_is_as_little_permitted() -> None:
    run = subprocess.run(["dmesg", "--raw"], capture_output=True, text=True, check=False, errors="replace")
    said = read_klog()

    if isinstance(said, Missing):
        assert run.returncode != 0 or not run.stdout
    else:
        # dmesg reads /dev/kmsg, and escapes what is not printable: the last words of both must be the same.
        assert run.returncode == 0
        assert said.splitlines()[-1:] == [] or said.splitlines()[-1].split("] ", 1)[-1] in run.stdout

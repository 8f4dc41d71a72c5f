# SPDX-License-Identifier: GPL-2.0-or-later
"""Real iPXE on a BIOS, real kernels: the machine waits while make runs, then boots what came of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.live.guests import Guest
from tests.live.netboot.lab import Lab, from_ipxe, machine

pytestmark = pytest.mark.live

COMMAND_LINE = """console=ttyS0 panic=1 t="a && b  || c" # \\ ip=${net0/ip} box=${net0/mac:hexhyp}"""
BOOTED_WITH = """console=ttyS0 panic=1 t="a && b  || c" # \\ ip=10.0.2.15 box=52-54-00-12-34-56"""


@pytest.fixture
def lab(tmp_path: Path, guest: Guest) -> Lab:
    lab = Lab(tmp_path / "home", tmp_path / "tree")
    lab.describe("box", COMMAND_LINE, initrd=str(guest.folder / "initrd" / guest.release))
    lab.hold(guest.folder / "image" / guest.release)
    return lab


def test_it_waits_for_the_kernel_and_boots_it_with_its_command_line(lab: Lab, tmp_path: Path) -> None:
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with machine(tmp_path / "console", *from_ipxe(script)) as box:
            box.shows("box waits, nothing is being built")
            failed = lab.keepsane(
                "build", "--", "sh", "-c", "echo 'w.c:1:2: error: no && reboot ${x}' >&2; exit 2"
            )
            assert failed.returncode == 2
            box.shows(r"the build failed:\s+w\.c:1:2: error: no && reboot \$ \{x\}")
            built = lab.keepsane("build", "--", "true")
            assert built.returncode == 0 and "box gets" in built.stdout
            assert (
                box.shows(r"Command line: initrd=initrd keepsane.boot=\S+ keepsane.server=\S+ (.*?)\r?\n")[1]
                == BOOTED_WITH
            )
            box.shows("lab: done")
            assert re.search(r"box +\S+  has not come back", lab.keepsane("history").stdout)

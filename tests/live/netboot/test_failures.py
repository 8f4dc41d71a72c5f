# SPDX-License-Identifier: GPL-2.0-or-later
"""
What goes wrong between a build and a boot: it is shown, it is kept, and the next build boots.

The machines share boots: each test is the day of one machine, which is never switched off by hand.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.live.netboot.conftest import PLAIN, OwnKernel
from tests.live.netboot.lab import Lab, Machine, from_ipxe, machine

pytestmark = pytest.mark.live

BOOTS_ONCE = r"its last kernel [^\r\n]* was booted;\s+the next build boots by itself"
STOPPED_SECONDS = 20


def test_the_day_of_a_machine(small_lab: Lab, own_kernel: OwnKernel, tmp_path: Path) -> None:
    lab = small_lab
    lab.describe("box", f"{PLAIN} do=reset", initrd=str(own_kernel.initrd))
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with machine(tmp_path / "console", *from_ipxe(script), boots=9) as box:
            box.shows("box waits, nothing is being built")
            # A kernel that iPXE refuses is named, and the next one boots.
            lab.hold(too_old(own_kernel, tmp_path))
            assert lab.keepsane("build", "--", "true").returncode == 0
            box.shows("the last try failed: .*asks for memory that this machine has not")
            lab.hold(own_kernel.image)
            # make fails, then it does not.
            failed = "echo 'w.c:1:2: error: no && reboot ${x}' >&2; exit 2"
            assert lab.keepsane("build", "--", "sh", "-c", failed).returncode == 2
            box.shows(r"the build failed:\s+w\.c:1:2: error: no && reboot \$ \{x\}")
            built = lab.keepsane("build", "--", "true")
            assert built.returncode == 0 and "box gets" in built.stdout
            box.shows(f"(?s)netboot: up.*{BOOTS_ONCE}")
            # It came back, and waits; whoever sits there chooses the same build once more, for one boot.
            box.monitor("sendkey ctrl-c")
            box.shows("iPXE shell")
            for key in ("down", "ret"):
                time.sleep(0.3)  # a menu reads keys only once it is drawn
                box.monitor(f"sendkey {key}")
            box.shows(f"(?s)netboot: up.*netboot: up.*{BOOTS_ONCE}")
    said = lab.keepsane("history").stdout
    booted = built.stdout.split()[-1]
    assert sum(booted in line and "came back" in line for line in said.splitlines()) == 2


def test_a_server_that_stops_dies_and_returns(small_lab: Lab, own_kernel: OwnKernel, tmp_path: Path) -> None:
    lab = small_lab
    lab.describe("box", PLAIN, initrd=str(large_initrd(own_kernel, tmp_path)))
    script_of = tmp_path
    with lab.served() as (server, port):
        script = lab.first_script(port, script_of)
        with machine(tmp_path / "console", *from_ipxe(script)) as box:
            box.shows("box waits, nothing is being built")
            server.send_signal(19)
            box.shows("gave nothing to boot, try 1")
            server.send_signal(18)
            goes_on(box)
            box.monitor("set_link card off")
            box.shows("gave nothing to boot, try 1", times=2)
            box.monitor("set_link card on")
            goes_on(box)
            server.kill()
            server.wait()
            box.shows("gave nothing to boot, try 2")
            with lab.served(port) as (second, _):
                goes_on(box)
                assert lab.keepsane("build", "--", "true").returncode == 0
                box.shows("initrd\\.\\.\\. *[1-9]")
                second.kill()
                second.wait()
                box.shows("gave nothing to boot, try 1", times=4)
                with lab.served(port):
                    box.shows("netboot: up")
                    assert "has not come back" in lab.keepsane("history").stdout


def goes_on(box: Machine) -> None:
    """Wait for another page of the server."""
    waits = "box waits, nothing is being built"
    box.shows(waits, times=box.text().count(waits) + 1)


def large_initrd(own_kernel: OwnKernel, folder: Path) -> Path:
    """Give an initrd of 200 MB; a kernel skips the zeros behind an archive."""
    large = folder / "large"
    large.write_bytes(own_kernel.initrd.read_bytes())
    with large.open("r+b") as file:
        file.truncate(200 << 20)
    return large


def too_old(own_kernel: OwnKernel, folder: Path) -> Path:
    """Give a kernel whose head has the boot protocol 1.0, which iPXE does not know."""
    image = bytearray(own_kernel.image.read_bytes())
    image[0x206:0x208] = b"\x00\x01"
    (folder / "old").write_bytes(image)
    return folder / "old"

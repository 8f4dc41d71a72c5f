# SPDX-License-Identifier: GPL-2.0-or-later
"""Several machines at one server, one address that two claim, and a machine whose server never answers."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.netboot.conftest import PLAIN, OwnKernel
from tests.live.netboot.lab import MAC, Lab, from_ipxe, machine

pytestmark = pytest.mark.live

OTHER_MAC = "52:54:00:12:34:57"
# Prints a text by the BIOS and stops: mov si,text; lodsb; or al,al; jz $; mov ah,0xe; int 0x10; jmp back.
BOOT_SECTOR = bytes.fromhex("be0f7cac08c074feb40ecd10ebf5") + b"\0keepsane's local disk\0"


def test_two_machines_get_a_build_each_and_two_with_one_address_wait(
    small_lab: Lab, own_kernel: OwnKernel, tmp_path: Path
) -> None:
    lab = small_lab
    lab.describe("other", f"{PLAIN} it=other", mac=OTHER_MAC, initrd=str(own_kernel.initrd))
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with (
            machine(tmp_path / "box", *from_ipxe(script)) as box,
            machine(tmp_path / "other", *from_ipxe(script), mac=OTHER_MAC) as other,
        ):
            box.shows("box waits, nothing is being built")
            other.shows("other waits, nothing is being built")
            built = lab.keepsane("build", "--machine", "other", "--", "true")
            assert built.returncode == 0
            other.shows("netboot: up, [^\r]*it=other")
            claim(port, "127.0.0.2", MAC)
            box.shows("two machines ask as 52:54:00:12:34:56: 127.0.0.1 and 127.0.0.2")
            assert "netboot: up" not in box.text()


def test_a_machine_that_gives_up_starts_its_disk(small_lab: Lab, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(BOOT_SECTOR.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    script = small_lab.first_script(9, tmp_path, "--tries", "2")  # nobody listens on the port `discard`
    with machine(tmp_path / "console", *from_ipxe(script), "-drive", f"file={disk},format=raw") as box:
        box.shows("gave nothing to boot, try 2")
        box.shows("keepsane's local disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own takes root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "keepsane", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_that_is_full_is_said_on_the_machine_and_the_next_build_boots(
    small_lab: Lab, small_disk: Path, own_kernel: OwnKernel, tmp_path: Path
) -> None:
    lab = small_lab._replace(home=small_disk)
    lab.describe("box", PLAIN, initrd=str(own_kernel.initrd))
    filler = small_disk / "filler"
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with machine(tmp_path / "console", *from_ipxe(script)) as box:
            box.shows("box waits, nothing is being built")
            filler.write_bytes(bytes(3 << 20))
            assert lab.keepsane("build", "--", "true").returncode == 2
            box.shows(r"the build failed:\s+[^\r]*No space left on device")
            filler.unlink()
            assert lab.keepsane("build", "--", "true").returncode == 0
            box.shows("netboot: up")


def claim(port: int, address: str, mac: str) -> None:
    """Ask once as a machine that is another's clone, from another address."""
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(address, 0))
    asking.request("GET", f"/w?m={mac.replace(':', '-')}")
    asking.getresponse().read()
    asking.close()

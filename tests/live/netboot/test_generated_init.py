# SPDX-License-Identifier: GPL-2.0-or-later
"""
The generated initrd and Debian's kernel with its modules in a second archive, started by real iPXE.

A machine that hangs is reset by QEMU's i6300ESB; what ramoops kept of that is told by the boot behind it.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from keepsane.netboot.agent import PLACES, SCRIPT, agent_files
from keepsane.netboot.cpio import file, write_cpio
from keepsane.netboot.history import History
from keepsane.netboot.store import Store
from tests.live.guests import LAB_COMMAND, Guest
from tests.live.netboot.lab import Lab, from_ipxe, machine

pytestmark = pytest.mark.live

RAMOOPS = (
    "memmap=1M$0x8000000 ramoops.mem_address=0x8000000 ramoops.mem_size=0x100000"
    " ramoops.record_size=0x20000 ramoops.console_size=0x40000"
)
WATCHDOG = ("-device", "i6300esb", "-action", "watchdog=reset")
ROOT = "11111111-2222-3333-4444-555555555555"
SAID = {"number": "", "banner": "", "build_id": None, "tree": "", "commit": "", "subject": ""}


@pytest.fixture
def debian(guests: tuple[Guest, ...]) -> Guest:
    """The kernel whose i6300esb is a module."""
    return next(guest for guest in guests if guest.series == "6.12")


@pytest.fixture
def lab(tmp_path: Path, debian: Guest) -> Lab:
    """A machine `box` with the generated initrd, to which that kernel and its modules are offered."""
    lab = Lab(tmp_path / "home", tmp_path / "tree")
    lab.tree.mkdir()
    folder = lab.home / "netboot"
    sources = {"kernel": debian.folder / "image" / debian.release, "modules": modules(debian, tmp_path)}
    build = Store(folder).publish(sources, {**SAID, "release": debian.release})
    lab.describe("box", "")
    history = History(folder)
    history.offer("box", build.id)
    history.close()
    return lab


def modules(guest: Guest, tmp_path: Path) -> Path:
    """Pack the modules as a build has them: an archive of its own, zipped."""
    said = subprocess.run(
        [LAB_COMMAND, "netboot-modules", guest.release], check=True, stdout=subprocess.PIPE, text=True
    )
    place = Path(said.stdout.strip())
    files = sorted(path for path in place.rglob("*") if path.is_file())
    with gzip.open(tmp_path / "modules", "wb") as out:
        write_cpio(cast(BinaryIO, out), (file(str(path.relative_to(place)), path) for path in files))
    return tmp_path / "modules"


def test_a_machine_that_hangs_comes_back_and_tells_why(lab: Lab, tmp_path: Path) -> None:
    lab.describe(
        "box",
        f"console=ttyS0 panic=0 unknown_nmi_panic keepsane.watchdog=6 {RAMOOPS}",
        initrd="generated",
    )
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with machine(tmp_path / "console", *from_ipxe(script), *WATCHDOG, boots=2) as box:
            box.shows("the hardware watchdog resets after 6 s")
            box.shows("a shell on the console")
            box.shows("/ # ")
            box.monitor("nmi")
            box.shows("Kernel panic")
            box.shows("box waits")
            assert lab.keepsane("again", "box").returncode == 0
            of, boot = (
                box.shows(r"posted what pstore kept, of boot (\w{32})"),
                box.shows(r"keepsane: boot (\w{32})", times=2),
            )
    first = re.search(r"keepsane: boot (\w{32})", box.text())
    assert first is not None and of[1] == first[1] != boot[1]
    (kept,) = (lab.home / "netboot" / "posted").glob("*.log")
    assert kept.stem == first[1]
    assert "NMI" in explained(kept)


def explained(log: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "keepsane.cli", "explain", str(log)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


def test_it_goes_on_to_the_root_and_the_modules_of_the_build_are_there(lab: Lab, tmp_path: Path) -> None:
    lab.describe("box", f"console=ttyS0 panic=1 root=UUID={ROOT} keepsane.watchdog=60", initrd="generated")
    disk = ("-drive", f"file={root_disk(tmp_path)},format=raw,if=virtio")
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with machine(tmp_path / "console", *from_ipxe(script), *WATCHDOG, *disk) as box:
            box.shows("root: done")
    assert re.search(r"root: from the initrd, softdog +\d+", box.text())
    assert "root: the watchdog is fed" in box.text()
    assert "root: the modules are gone" in box.text()
    assert re.search(r"root: by the agent, softdog +\d+", box.text())


def root_disk(tmp_path: Path) -> Path:
    """Make an ext4 file system with busybox, the agent, and an init that says what it finds."""
    root, image = tmp_path / "root", tmp_path / "root.ext4"
    for name in ("proc", "sys", "dev", "run", "bin", "sbin", "lib/modules", "usr/local/sbin"):
        (root / name).mkdir(parents=True)
    agent = root / PLACES[SCRIPT][1:]
    agent.write_text(agent_files()[SCRIPT])
    (root / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "sbin/init").write_bytes(Path(__file__).with_name("root-init").read_bytes())
    for path in (agent, root / "bin/busybox", root / "sbin/init"):
        path.chmod(0o755)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-U", ROOT, "-d", root, image, "16M"], check=True)
    return image

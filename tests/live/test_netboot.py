# SPDX-License-Identifier: GPL-2.0-or-later
"""
Real iPXE on a BIOS, real kernels: the machine waits while make runs, then boots what came of it.

The serial console is the second truth: what iPXE shows, and the command line that the kernel has got.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.live.guests import Guest

pytestmark = pytest.mark.live

IPXE = Path(os.environ.get("IPXE_LKRN", "/usr/lib/ipxe/ipxe.lkrn"))
LONGEST_SECONDS = 120
MAC = "52:54:00:12:34:56"
COMMAND_LINE = """console=ttyS0 panic=1 t="a && b  || c" # \\ ip=${net0/ip} box=${net0/mac:hexhyp}"""
BOOTED_WITH = """console=ttyS0 panic=1 t="a && b  || c" # \\ ip=10.0.2.15 box=52-54-00-12-34-56"""


class Lab(NamedTuple):
    """A home of its own for keepsane, a tree that holds a kernel, and the port machines ask."""

    home: Path
    tree: Path

    def keepsane(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keepsane.cli", "netboot", *words]
        return subprocess.run(
            command,
            cwd=self.tree,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KEEPSANE_HOME": str(self.home)}

    @contextmanager
    def served(self, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
        command = [sys.executable, "-m", "keepsane.cli", "netboot", "serve", "--port", str(port)]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            found = re.fullmatch(r"machines ask http://127\.0\.0\.1:(\d+)/s\n", server.stdout.readline())
            assert found is not None
            try:
                yield server, int(found[1])
            finally:
                server.send_signal(signal.SIGINT)


@pytest.fixture
def lab(tmp_path: Path, guest: Guest) -> Lab:
    home, tree = tmp_path / "home", tmp_path / "tree"
    (home / "machines").mkdir(parents=True)
    initrd = guest.folder / "initrd" / guest.release
    escaped = COMMAND_LINE.replace("\\", "\\\\").replace('"', '\\"')
    (home / "machines" / "box.toml").write_text(
        f'mac = "{MAC}"\ninitrd = "{initrd}"\ncommand_line = "{escaped}"\n'
    )
    (tree / "arch" / "x86" / "boot").mkdir(parents=True)
    (tree / "arch" / "x86" / "boot" / "bzImage").symlink_to(guest.folder / "image" / guest.release)
    return Lab(home, tree)


class Machine:
    """A machine in QEMU that starts iPXE with a first script, and what its serial console shows."""

    def __init__(self, script: Path, console: Path) -> None:
        self.console = console
        options = "-accel tcg -m 512 -nographic -no-reboot -monitor none -serial stdio"
        network = ["-netdev", "user,id=n", "-device", f"virtio-net-pci,netdev=n,mac={MAC}"]
        with console.open("wb") as out:
            self.process = subprocess.Popen(
                ["qemu-system-x86_64", *options.split(), "-kernel", IPXE, "-initrd", script, *network],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def shows(self, pattern: str) -> re.Match[str]:
        """Wait until the console shows it."""
        text = wait_for(lambda: self.text() if re.search(pattern, self.text()) else None, self.text)
        found = re.search(pattern, text)
        assert found is not None
        return found

    def text(self) -> str:
        return self.console.read_text(encoding="latin-1")


def wait_for(look: Callable[[], str | None], said: Callable[[], str]) -> str:
    end = time.monotonic() + LONGEST_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < end, f"waited in vain, the console shows:\n{said()[-3000:]}"
        time.sleep(0.2)
    return found


@contextmanager
def machine(lab: Lab, port: int, tmp_path: Path) -> Iterator[Machine]:
    script = tmp_path / "first.ipxe"
    assert lab.keepsane("setup", f"10.0.2.2:{port}", str(tmp_path / "ways")).returncode == 0
    script.write_bytes((tmp_path / "ways" / "first.ipxe").read_bytes())
    started = Machine(script, tmp_path / "console")
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def test_it_waits_for_the_kernel_and_boots_it_with_its_command_line(lab: Lab, tmp_path: Path) -> None:
    with lab.served() as (_, port), machine(lab, port, tmp_path) as box:
        box.shows("box waits, nothing is being built")
        failed = lab.keepsane(
            "build", "--", "sh", "-c", "echo 'w.c:1:2: error: no && reboot ${x}' >&2; exit 2"
        )
        assert failed.returncode == 1
        box.shows(r"the build failed:\s+w\.c:1:2: error: no && reboot \$ \{x\}")
        built = lab.keepsane("build", "--", "true")
        assert built.returncode == 0 and "box boots" in built.stdout
        assert box.shows(r"Command line: initrd=initrd (.*?)\r?\n")[1] == BOOTED_WITH
        box.shows("lab: done")
        assert re.search(r"box +\S+  has not come back", lab.keepsane("history").stdout)


def test_a_server_that_dies_is_asked_until_it_is_there_again(lab: Lab, tmp_path: Path) -> None:
    with lab.served() as (server, port), machine(lab, port, tmp_path) as box:
        box.shows("box waits, nothing is being built")
        server.kill()
        server.wait()
        box.shows("gave nothing to boot, try 2")
        assert lab.keepsane("build", "--", "true").returncode == 0
        with lab.served(port):
            box.shows("Linux version")

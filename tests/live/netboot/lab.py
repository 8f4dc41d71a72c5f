# SPDX-License-Identifier: GPL-2.0-or-later
"""
Machines in QEMU that start iPXE, and a keepsane with a home of its own that they ask.

A machine's serial console is the second truth: what iPXE shows, and what the kernel says of itself. Its
monitor presses keys, takes pictures of the screen, and pulls the cable.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

IPXE = Path(os.environ.get("IPXE_LKRN", "/usr/lib/ipxe/ipxe.lkrn"))
LONGEST_SECONDS = 120
MAC = "52:54:00:12:34:56"
KEEPSANE = (sys.executable, "-m", "keepsane.cli")

Found = TypeVar("Found")


class Lab(NamedTuple):
    """A home of its own for keepsane, and a tree that holds a kernel; where it runs, and answers."""

    home: Path
    tree: Path
    inside: tuple[str, ...] = ()
    address: str = "127.0.0.1"

    def keepsane(self, *words: str, verb: str = "netboot") -> subprocess.CompletedProcess[str]:
        """Run `keepsane VERB WORDS` in the tree."""
        return subprocess.run(
            [*KEEPSANE, verb, *words],
            cwd=self.tree,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run `keepsane netboot WORDS` in the tree beside the test; its output is a pipe."""
        with subprocess.Popen(
            [*self.inside, *KEEPSANE, "netboot", *words],
            cwd=self.tree,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGINT)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KEEPSANE_HOME": str(self.home)}

    @contextmanager
    def served(self, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """Answer machines; gives the server and its port. Loopback is 10.0.2.2 to them."""
        with self.running("serve", "--address", self.address, "--port", str(port)) as server:
            assert server.stdout is not None
            found = next(
                filter(None, (re.search(rf"http://{self.address}:(\d+)/s", line) for line in server.stdout))
            )
            yield server, int(found[1])

    def describe(self, name: str, command_line: str, mac: str = MAC, **fields: str) -> None:
        """Write a machine's file."""
        lines = {"mac": mac, "command_line": command_line, **fields}
        folder = self.home / "machines"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.toml").write_text(
            "".join(f"{key} = {_quoted(value)}\n" for key, value in lines.items())
        )

    def hold(self, image: Path) -> None:
        """Let `keepsane netboot build -- true` publish this image."""
        place = self.tree / "arch" / "x86" / "boot" / "bzImage"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(image)

    def first_script(self, port: int, folder: Path, *options: str) -> Path:
        """Give the first script that `keepsane netboot setup` writes, in this folder."""
        address = "10.0.2.2" if self.address == "127.0.0.1" else self.address
        done = self.keepsane("setup", f"{address}:{port}", str(folder / "ways"), *options)
        assert done.returncode == 0, done.stderr
        return folder / "ways" / "first.ipxe"


class Machine:
    """A machine in QEMU, what its serial console shows, and its monitor."""

    def __init__(
        self, console: Path, *options: str, wire: Sequence[str], inside: Sequence[str], boots: int
    ) -> None:
        """Start it; with `boots` of 1 it ends where it resets or powers off, else it goes on for ever."""
        self.console = console
        once = ["-no-reboot"] if boots == 1 else []
        plain = ["-accel", "tcg", "-m", "512", "-nographic", *once, "-monitor", "stdio"]
        console.unlink(missing_ok=True)
        with console.with_suffix(".errors").open("wb") as errors:
            self.process = subprocess.Popen(
                [*inside, "qemu-system-x86_64", *plain, "-serial", f"file:{console}", *wire, *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                text=True,
            )

    def monitor(self, command: str) -> None:
        """Give a command to QEMU's monitor: `sendkey ctrl-c`, `set_link card off`, `system_reset`."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def picture(self, path: Path) -> Path:
        """Take a picture of the screen (PPM)."""
        self.monitor(f"screendump {path}")
        return wait_for(lambda: path if path.is_file() and path.stat().st_size else None, self.text)

    def shows(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until the console has shown it so many times; gives the last."""

        def look() -> re.Match[str] | None:
            found = list(re.finditer(pattern, self.text()))
            return found[-1] if len(found) >= times else None

        return wait_for(look, lambda: f"no {pattern!r}, {times} times, in:\n{self.text()[-3000:]}")

    def text(self) -> str:
        """Give all that the console has shown."""
        return self.console.read_text(encoding="latin-1") if self.console.exists() else ""

    def end(self) -> None:
        """Pull the plug."""
        self.process.kill()
        self.process.communicate()


def wait_for(look: Callable[[], Found | None], said: Callable[[], str]) -> Found:
    """Wait until something is there; fails with what is said otherwise."""
    end = time.monotonic() + LONGEST_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < end, f"waited in vain: {said()}"
        time.sleep(0.1)
    return found


@contextmanager
def machine(
    console: Path,
    *options: str | Path,
    mac: str = MAC,
    boots: int = 1,
    wire: Sequence[str] = (),
    inside: Sequence[str] = (),
) -> Iterator[Machine]:
    """Have a machine with these options of QEMU; `wire` is its network card."""
    own = ("-netdev", "user,id=n", "-device", f"virtio-net-pci,netdev=n,mac={mac},id=card")
    started = Machine(console, *map(str, options), wire=wire or own, inside=inside, boots=boots)
    try:
        yield started
    finally:
        started.end()


def from_ipxe(script: Path) -> Sequence[str | Path]:
    """Start iPXE on a BIOS, as GRUB does: with the first script as its initrd."""
    return ("-kernel", IPXE, "-initrd", script)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

# SPDX-License-Identifier: GPL-2.0-or-later
"""A server as `keepsane netboot serve` runs it, in a home of its own, and what a machine asks of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

RELEASE = b"6.12.0-bench (nobody@nowhere) #1 SMP"


class Home(NamedTuple):
    """A home of keepsane's own, with machines, and a tree that holds what counts as a kernel."""

    folder: Path
    tree: Path

    def keepsane(self, *words: str) -> subprocess.Popen[str]:
        """Start `keepsane netboot` in the tree; what it says can be read."""
        return subprocess.Popen(
            [sys.executable, "-m", "keepsane.cli", "netboot", *words],
            cwd=self.tree,
            env={**os.environ, "KEEPSANE_HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def must(self, *words: str) -> str:
        """Run it to its end. Exits where it fails."""
        ran = self.keepsane(*words)
        said, _ = ran.communicate()
        if ran.returncode:
            raise SystemExit(f"keepsane netboot {' '.join(words)}: {said}")
        return said

    @contextmanager
    def served(self, address: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Serve on a free port of an address; gives the process, and where it answers."""
        server = self.keepsane("serve", "--address", address, "--port", "0")
        try:
            said = server.stdout.readline() if server.stdout else ""
            found = re.fullmatch(r"machines ask (http://\S+)/s\n", said)
            if found is None:
                raise SystemExit(f"keepsane netboot serve: {said}")
            yield server, found[1]
        finally:
            server.kill()
            server.wait()


def make_home(folder: Path, machines: int, initrd: Path) -> Home:
    """Make one, with machines whose cards are 52:54:00:00:00:00 and on."""
    home = Home(folder / "home", folder / "tree")
    (home.folder / "machines").mkdir(parents=True)
    for number in range(machines):
        (home.folder / "machines" / f"box-{number}.toml").write_text(
            f'mac = "{card(number)}"\ninitrd = "{initrd}"\n', encoding="ascii"
        )
    image = home.tree / "arch/x86/boot/bzImage"
    image.parent.mkdir(parents=True)
    image.write_bytes(_image())
    return home


def card(number: int) -> str:
    """Give the address of a machine's network card."""
    return f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"


def _image() -> bytes:
    """The head of a bzImage, which is what a publisher looks at (Documentation/arch/x86/boot.rst)."""
    image = bytearray(1 << 16)
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = (0x20F).to_bytes(2, "little")
    image[0x20E:0x210] = (0x400).to_bytes(2, "little")
    image[0x600 : 0x600 + len(RELEASE)] = RELEASE
    return bytes(image)

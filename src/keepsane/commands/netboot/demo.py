# SPDX-License-Identifier: GPL-2.0-or-later
"""
Show it all on one machine: a server, a machine in QEMU that waits at iPXE, and a build it waits for.

Each is a process of its own, as in earnest, with a home of their own that is removed afterwards. What they
write comes out line by line behind their names.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from keepsane.commands.netboot.follow import signals_interrupt
from keepsane.commands.netboot.stage import Stage, keepsane
from keepsane.commands.netboot.tiny_kernel import copy_kernel
from keepsane.errors import InputError

MACHINE = "demo"
SECONDS_A_FILE = 1
"""A kernel of 15 files would be built before iPXE has an address."""
_MAC = "52:54:00:12:34:56"
_PANIC_SECONDS = 3

_PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "gcc": "gcc", "make": "make", "ld": "binutils"}
_IPXE, _IPXE_PACKAGE = "/usr/lib/ipxe/ipxe.lkrn", "ipxe"

_SERVES = re.compile(r"machines ask http://127\.0\.0\.1:(?P<port>\d{1,5})/s")
_PUBLISHED = re.compile(r"demo gets ")
_BACK = re.compile(r"[\d:]{8}  demo came back")
_WAITS = re.compile(r"keepsane: demo waits ")
_CONTROLS = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|[\x00-\x1f\x7f]")
_WAITING = re.compile(r"keepsane: |building for |(?:CC|AS|LD|GEN|BUILD) +\S|the build failed")
_KERNEL = re.compile(
    r"\[ {0,4}\d{1,6}\.\d{6}\] (?:keepsane-tiny version|Command line|demo|BUG: |RIP: | {1,4}\w"
    r"|Kernel panic|Rebooting).{0,400}"
)

_BEFORE = f"""\
Three take part: the server that machines ask, a machine (QEMU, which starts iPXE as a real one does), and
the build of a tiny kernel, slowed down to {SECONDS_A_FILE} s a file. Half a minute; Ctrl-C ends it.

"""
_AFTER = """
The machine waits for the next kernel. With one of yours, where ADDRESS is this machine's in its network:
    keepsane netboot edit test-box               describe it: its network card, its command line
    keepsane netboot setup ADDRESS ways          what makes it start iPXE
    keepsane netboot serve --address ADDRESS     the server
    keepsane netboot build -- make -j8           in your kernel tree, each time
docs/netboot.md says the rest.
"""


def important(line: str) -> str:
    """Give what tells something of a line of the machine's console, without what drives a terminal."""
    line = _CONTROLS.sub("", line).rstrip()
    kernel = _KERNEL.search(line)
    return kernel[0] if kernel else line if _WAITING.match(line) else ""


def needed() -> str:
    """Give the file of iPXE. Raises InputError with what is missing, and the command that installs it."""
    if platform.machine() != "x86_64":
        raise InputError(f"the demo builds a kernel for x86-64, and this machine is {platform.machine()}")
    ipxe = os.environ.get("IPXE_LKRN", _IPXE)
    lacking = [(name, package) for name, package in _PROGRAMS.items() if shutil.which(name) is None]
    if not Path(ipxe).is_file():
        lacking.append((ipxe, _IPXE_PACKAGE))
    if lacking:
        names, packages = (", ".join(each) for each in zip(*lacking, strict=True))
        install = f"apt-get install --no-install-recommends {packages.replace(',', '')}"
        raise InputError(f"the demo needs {names}, not found here: {install}")
    return ipxe


def demo(show: Callable[[str], None]) -> int:
    """Show it, and end by itself. Raises InputError where something is missing, or does not happen."""
    ipxe = needed()
    with ExitStack() as stack:
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="keepsane-demo-")))
        copy_kernel(folder / "linux")
        _describe(folder / "home")
        stage = Stage(folder, show)
        stack.callback(stage.close)
        show(_BEFORE)
        _play(stage, ipxe)
        show("\n$ keepsane explain machine.log\n")
        show(stage.run("explain", "machine.log", "--source", "linux"))
        show(_AFTER)
    return 0


def _describe(home: Path) -> None:
    (home / "machines").mkdir(parents=True)
    command_line = f"console=ttyS0,115200 panic={_PANIC_SECONDS} oops=panic"
    (home / "machines" / f"{MACHINE}.toml").write_text(f'mac = "{_MAC}"\ncommand_line = "{command_line}"\n')


def _play(stage: Stage, ipxe: str) -> None:
    """Let the machine wait for the build, boot it, crash and come back."""
    stage.start("server", keepsane("netboot", "serve", "--port", "0"), stage.folder)
    port = _until(stage, "server", _SERVES)["port"]
    stage.run("netboot", "setup", f"10.0.2.2:{port}", "ways")
    make = ("make", f"DELAY={SECONDS_A_FILE}")
    stage.start(
        "build", keepsane("netboot", "build", "--machine", MACHINE, "--", *make), at=stage.folder / "linux"
    )
    stage.start("machine", _qemu(ipxe, stage.folder / "ways" / "first.ipxe"), stage.folder, important)
    _until(stage, "build", _PUBLISHED)
    _until(stage, "server", _BACK)
    _until(stage, "machine", _WAITS)


def _until(stage: Stage, who: str, pattern: re.Pattern[str]) -> re.Match[str]:
    """Wait until one of them says something. Raises InputError where it ends before."""
    while True:
        said = stage.next()
        if said.who != who:
            continue
        if said.line is None:
            raise InputError(f"the demo broke off: its {who} ended; what it said stands above")
        if found := pattern.match(said.line):
            return found


def _qemu(ipxe: str, script: Path) -> list[str]:
    options = "-accel tcg -m 128 -nographic -monitor none -serial stdio"
    network = ("-netdev", "user,id=n", "-device", f"virtio-net-pci,netdev=n,mac={_MAC}")
    return ["qemu-system-x86_64", *options.split(), "-kernel", ipxe, "-initrd", str(script), *network]

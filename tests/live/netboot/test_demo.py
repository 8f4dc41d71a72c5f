# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo is what a stranger sees first: it needs no environment, ends by itself, and leaves nothing."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

COMMAND = [sys.executable, "-m", "keepsane.cli", "netboot", "serve", "--demo"]
KERNEL = Path(__file__).parents[3] / "examples" / "tiny-kernel"


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)}


def line_of(file: str, code: str) -> int:
    return (KERNEL / file).read_text().splitlines().index(code) + 1


def test_a_kernel_is_built_held_booted_and_its_crash_explained(tmp_path: Path) -> None:
    ran = subprocess.run(COMMAND, env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True)
    said = ran.stdout.decode()
    assert (ran.returncode, ran.stderr) == (0, b"")
    ring = line_of("include/ring.h", "\treturn ring->entries - (ring->head - ring->tail);")
    reset = line_of("drivers/demo.c", "\treturn ring_add(device->ring, DEMO_RESET);")
    told = (
        r"machine \| keepsane: demo waits for the kernel of",
        r"machine \| building for \d+ s",
        r"build \| demo gets 1\.0\.0-tiny #1 \(it waits\): ",
        r"machine \| \[ +0\.\d{6}\] keepsane-tiny version 1\.0\.0-tiny .* #1 ",
        r"BUG: kernel NULL pointer dereference, address: 0000000000000100",
        r"Rebooting in 3 seconds",
        r"server \| \S+  demo came back",
        rf"ip ring_space +include/ring\.h:{ring}:",
        rf"demo_reset +drivers/demo\.c:{reset}:",
        r"keepsane netboot build -- make -j8",
    )
    assert re.search("(?s)" + ".*".join(told), said), said
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        next(line for line in ran.stdout if " machine | " in line)
        ran.send_signal(signal.SIGINT)
        ran.stdout.read()
    assert ran.returncode == 2
    assert list(tmp_path.iterdir()) == []
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if str(tmp_path).encode() in content(path)]
    assert left == []


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended, or is of another user
        return b""

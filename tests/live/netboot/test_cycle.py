# SPDX-License-Identifier: GPL-2.0-or-later
"""
A whole cycle: a kernel is changed and built while the machine starts, crashes there, and is explained.

The line that was put into the kernel is the truth. It is gone from the tree before the log is explained.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.guests import frames
from tests.live.netboot.conftest import PLAIN, OwnKernel
from tests.live.netboot.lab import Lab, from_ipxe, machine

pytestmark = pytest.mark.live

CHANGED = "drivers/tty/sysrq.c"
BEFORE = '\tpanic("sysrq triggered crash\\n");\n'
AFTER = '\tpr_emerg("netboot: about to\\n");\n\t*(volatile int *)8 = 13; /* the truth */\n'


@contextmanager
def changed(tree: Path) -> Iterator[int]:
    """Put a crash into the kernel, and take it out again; gives its line."""
    file = tree / CHANGED
    text = file.read_text()
    assert BEFORE in text
    file.write_text(text.replace(BEFORE, AFTER))
    try:
        yield file.read_text().splitlines().index(AFTER.splitlines()[1]) + 1
    finally:
        file.write_text(text)


def test_a_kernel_is_built_while_the_machine_starts(
    own_kernel: OwnKernel, small_lab: Lab, tmp_path: Path
) -> None:
    lab = small_lab._replace(tree=own_kernel.tree)
    lab.describe("box", f"{PLAIN} do=crash", initrd=str(own_kernel.initrd))
    console = tmp_path / "console"
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with changed(own_kernel.tree) as line, machine(console, *from_ipxe(script), boots=2) as box:
            built = lab.keepsane("build", "--", "nice", "make", "-s", "-j2")
            assert built.returncode == 0, built.stderr
            box.shows("box waits for the kernel of [^\r]*\r?\n.{0,20}building for")
            box.shows("netboot: about to")
            box.shows("Rebooting in 1 seconds")
            box.shows(r"its last kernel [^\r\n]* was booted;\s+the next build boots by itself")
        assert "came back after" in lab.keepsane("history").stdout
    said = json.loads(lab.keepsane(str(console), "--format", "json", verb="explain").stdout)
    fault = next(event for event in said["events"] if event["kind"] == "null-deref")
    innermost = next(frames(fault))
    assert innermost["function"] == "sysrq_handle_crash"
    assert innermost["locations"][0]["file"].endswith(CHANGED)
    assert innermost["locations"][0]["line"] == line

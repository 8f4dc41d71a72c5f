# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine's own root gets: the files, the script that puts them there, what is lost without."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.machine.machine import Machine
from keepsane.netboot.agent import PLACES, agent_files, check_agent, install_script

UUID_ROOT = "root=UUID=1-2 ro"


def test_the_script_writes_the_files_as_they_are(tmp_path: Path) -> None:
    script = install_script()
    for place in PLACES.values():
        (tmp_path / place[1:]).parent.mkdir(parents=True, exist_ok=True)
        for command in ("cat >", "chmod 755"):
            script = script.replace(f"{command} {place}", f"{command} {tmp_path}{place}")
    script = script.replace("\nsystemctl enable", "\necho enable")
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == "enable keepsane-agent-early.service keepsane-agent.service\n"
    for name, text in agent_files().items():
        assert (tmp_path / PLACES[name][1:]).read_text() == text.rstrip("\n") + "\n"
    assert (tmp_path / PLACES["keepsane-agent"][1:]).stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name, text in agent_files().items():
        (tmp_path / name).write_text(text.replace("/usr/local/sbin/keepsane-agent", "/bin/true"))
    units = [tmp_path / name for name in PLACES if name.endswith(".service")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if "keepsane-agent" in line], done.stderr


@pytest.mark.parametrize(
    ("machine", "has_modules", "said"),
    [
        (Machine(name="box", command_line=UUID_ROOT), True, "the modules of the build, what pstore kept"),
        (Machine(name="box", command_line=UUID_ROOT), False, "alone: what pstore kept"),
        (Machine(name="box", command_line=UUID_ROOT, modules=False), True, "alone: what pstore kept"),
        (Machine(name="box", command_line=UUID_ROOT, initrd="generated"), True, "the generated initrd gives"),
        (Machine(name="box", command_line="panic=10 xroot=1"), True, ""),
    ],
)
def test_the_doctor_says_what_is_lost_without_it(machine: Machine, has_modules: bool, said: str) -> None:
    lines = [check.line() for check in check_agent(machine, has_modules=has_modules)]
    assert said in "".join(lines)
    assert bool(lines) == bool(said)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Who runs the tests as root runs them without a privilege; who is nobody special stays who he is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

AS_PLAIN_ACCOUNT = Path(__file__).resolve().parents[2] / "checks" / "as_plain_account"
WHO = "id -u; grep -E '^(CapEff|CapAmb|Groups):' /proc/self/status; exit 7"


def test_a_command_runs_without_privilege_and_its_exit_code_comes_back() -> None:
    done = subprocess.run([AS_PLAIN_ACCOUNT, "/bin/sh", "sh", "-c", WHO], capture_output=True, text=True)
    user, *status = done.stdout.splitlines()
    said = dict(line.split(":", 1) for line in status)

    assert (done.returncode, done.stderr) == (7, "")
    assert user == (str(os.getuid()) if os.getuid() else "65534")
    assert {int(said["CapEff"], 16), int(said["CapAmb"], 16)} == {0}
    assert os.getuid() or said["Groups"].split() == []

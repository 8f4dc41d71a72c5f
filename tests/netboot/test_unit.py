# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit, by systemd's own reader where it is there."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keepsane.errors import InputError
from keepsane.netboot.unit import NAME, unit_word, write_unit

ODD = 'a b"c\\d%h$HOME'


def verified(path: Path) -> str:
    """Give what systemd says of a unit; its user manager needs a folder for what runs."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(path.parent)}
    command = ["systemd-analyze", "--user", "verify", str(path)]
    return subprocess.run(command, capture_output=True, text=True, env=environment).stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    unit = write_unit([sys.executable, "-m", "keepsane.cli", ODD], {"KEEPSANE_HOME": f"/{ODD}"})
    path = tmp_path / NAME
    path.write_text(unit.replace("RestartSec=5", "RestartSecs=5"))
    assert "RestartSecs" in verified(path), "it reads what we think it reads"
    path.write_text(unit)
    assert NAME not in verified(path)


def test_a_word_is_one_word_and_names_nothing_of_systemds() -> None:
    assert unit_word("/usr/bin/python3") == "/usr/bin/python3"
    said = unit_word(ODD)
    assert shlex.split(said.replace("%%", "%"), posix=True) == [ODD]
    assert "%h" not in said.replace("%%", "")
    assert "$$HOME" in write_unit([ODD], {}), "no variable of the manager's gets into the command"


@pytest.mark.parametrize("word", ["a\nExecStart=/bin/sh", "\x1b[31m", "\udcff"])
def test_what_would_be_a_line_of_its_own_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="cannot stand in a unit"):
        write_unit([word], {})


def test_a_word_that_is_empty_stays_one() -> None:
    assert unit_word("") == '""'

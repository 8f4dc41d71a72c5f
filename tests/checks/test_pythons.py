# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import sys
from pathlib import Path

import pytest

from checks.pythons import ASK, VERSIONS, find, folders_of, main

HERE = (sys.version_info.major, sys.version_info.minor)
NAME = "python{}.{}".format(*HERE)


def put(folder: Path, script: str) -> Path:
    folder.mkdir(parents=True)
    (folder / NAME).write_text(f"#!/bin/sh\n{script}\n")
    (folder / NAME).chmod(0o700)
    return folder


def test_a_python_is_taken_for_what_it_says_of_itself(tmp_path: Path) -> None:
    shim = put(tmp_path / "shim", "echo 'no such version' >&2; exit 127")
    other = put(tmp_path / "other", "echo 3.7 /usr/bin/python3.7")
    torn = put(tmp_path / "torn", "kill -9 $$")
    real = put(tmp_path / "a real one", f"echo '{HERE[0]}.{HERE[1]} /a  path with/blanks'")

    assert find(HERE, [tmp_path / "none", shim, other, torn]) is None
    assert find(HERE, [tmp_path / "none", shim, other, torn, real]) == "/a  path with/blanks"


def test_this_python_is_found_by_its_path(tmp_path: Path) -> None:
    here = put(tmp_path / "bin", f'exec "{sys.executable}" "$@"')

    assert "sys.executable" in ASK
    assert find(HERE, [here]) == sys.executable


def test_homes_of_pyenv_and_uv_are_looked_at_without_path(tmp_path: Path) -> None:
    home = tmp_path / "home [of] somebody"
    pyenv, uv = home / ".pyenv/versions/3.13.0/bin", home / ".local/share/uv/python/cpython-3.12/bin"
    for folder in (pyenv, uv):
        folder.mkdir(parents=True)

    folders = folders_of(f"/first::{tmp_path}", home)

    assert {pyenv, uv, Path("/usr/bin"), Path("/first"), tmp_path} <= set(folders)
    assert Path() not in folders, "an empty part of PATH is the current folder, which nobody chose"


def test_every_version_is_answered_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("checks.pythons.PLACES", ())
    monkeypatch.setenv("PATH", str(put(tmp_path / "bin", f"echo '{HERE[0]}.{HERE[1]} /somewhere'")))

    assert main() == 0
    said = [line.split(" ", 1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in said] == ["{}.{}".format(*version) for version in VERSIONS]
    assert [path for name, path in said if path != "-"] == ["/somewhere"] * (HERE in VERSIONS)

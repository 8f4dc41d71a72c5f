# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest

from keepsane.machine.may_run import may_run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "machines" / "box.toml"
    path.parent.mkdir(mode=0o700)
    path.write_text('power = ["off"]')
    path.chmod(0o644)
    return path


def test_what_its_user_alone_can_write_may_be_run(file: Path) -> None:
    assert may_run(file) is None


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_write_may_not(file: Path, mode: int) -> None:
    file.chmod(mode)
    wrong = may_run(file)
    assert wrong is not None and f"(mode {mode:o})" in wrong and wrong.endswith(f"chmod go-w {file}")


def test_a_folder_where_others_put_another_file_in_its_place(file: Path) -> None:
    file.parent.chmod(0o777)
    wrong = may_run(file)
    assert wrong is not None and wrong.endswith(f"chmod go-w {file.parent}")
    file.parent.chmod(0o1777)
    assert may_run(file) is None


def test_a_link_is_as_good_as_what_it_leads_to(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert may_run(link) is None
    file.chmod(0o666)
    assert str(file) in (may_run(link) or "")


def test_a_file_of_another_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    wrong = may_run(file)
    assert wrong is not None and f"{file} is user {file.stat().st_uid}'s" in wrong and "chown" in wrong


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "is no file" in (may_run(tmp_path) or "")
    assert "No such file" in (may_run(tmp_path / "none.toml") or "")
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    assert "are not run" in (may_run(loop) or "")

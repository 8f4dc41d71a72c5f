# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

from keepsane.machine.machine import read_machine
from keepsane.machine.secret import add_secret, is_secret, new_secret


def test_a_secret_is_written_into_any_file_and_what_stands_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_text('# my box\nmac = "52:54:00:12:34:56"')
    secret = new_secret()
    add_secret(path, secret)
    assert read_machine(path).secret == secret
    assert path.read_text().endswith('# my box\nmac = "52:54:00:12:34:56"')
    assert path.stat().st_mode & 0o77 == 0
    assert [file.name for file in tmp_path.iterdir()] == ["box.toml"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "box.toml").write_text("")
    (tmp_path / "box.toml").symlink_to("dotfiles/box.toml")
    add_secret(tmp_path / "box.toml", new_secret())
    assert (tmp_path / "box.toml").is_symlink() and read_machine(tmp_path / "box.toml").secret


def test_only_the_secret_is_the_secret() -> None:
    secret = new_secret()
    assert is_secret(secret, secret) and is_secret("", "") and is_secret("anything", "")
    assert not any(
        is_secret(said, secret) for said in ("", secret[:-1], secret.upper() + "x", "\u00fc\udcff")
    )
    assert new_secret() != secret

# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in a machine's place and is none: it is named, and nothing waits for it."""

import os
import socket
from pathlib import Path

import pytest

from keepsane.errors import InputError
from keepsane.machine.file import MAX_FILE_BYTES
from keepsane.machine.machine import machine_file, read_all, read_machine


def wrong(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_machine(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "box.toml"
    os.mkfifo(path)
    assert "is a pipe, not a file" in wrong(path)
    path.unlink()
    path.mkdir()
    assert "is a folder, not a file" in wrong(path)
    path.rmdir()
    path.symlink_to("/dev/zero")
    assert "is a device, not a file" in wrong(path)
    path.unlink()
    path.symlink_to("nowhere")
    assert "it is a link to a file that does not exist" in wrong(path)
    path.unlink()
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("box.toml")
        assert "it is a socket" in wrong(path)


def test_a_file_that_is_too_large_is_refused_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_text("#" * MAX_FILE_BYTES)
    assert read_machine(path).name == "box"
    path.write_text("#" * MAX_FILE_BYTES + "\n")
    assert f"has {MAX_FILE_BYTES + 1} bytes" in wrong(path)
    with path.open("ab") as file:
        file.truncate(1 << 40)
    assert f"has {1 << 40} bytes" in wrong(path)


def test_letters_that_are_no_utf_8_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_bytes(b'# a\nmark = "\xe9"\n')
    assert "line 2 is not UTF-8" in wrong(path)


def test_one_that_is_wrong_hides_no_other(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"box-{number}.toml").write_text(f"tries = {number}")
    (tmp_path / "broken.toml").write_text("tries = -1")
    (tmp_path / "Box_1.toml").write_text("")
    (tmp_path / ".#box-1.toml").symlink_to("dave@host.123")
    machines, said = read_all(tmp_path)
    assert len(machines) == 1000
    assert (
        len(said) == 2 and "Box_1.toml: a machine's name has" in said[0] and "broken.toml: tries" in said[1]
    )


@pytest.mark.parametrize("name", ["", "../box", "Box", "a" * 33, "-a", "a\n", "a/b", "b\u00f6x"])
def test_a_name_that_is_none_is_no_file(name: str) -> None:
    with pytest.raises(InputError, match="is no name of a machine; it has 1 to 32"):
        machine_file(name)

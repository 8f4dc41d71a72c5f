# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest

from keepsane.machine.write import replace
from keepsane.services.machines_kept import MachinesKept

MAC = "52:54:00:12:34:56"


def file(tries: int) -> bytes:
    return f'mac = "{MAC}"\ntries = {tries}\n'.encode()


class Kept:
    """A server's machines, their folder, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "box.toml"
        self.path.write_bytes(file(1))
        self.said: list[str] = []
        self._kept = MachinesKept(folder, self.said.append)

    def tries(self) -> int | None:
        machine = self._kept.of_card(MAC)
        return None if machine is None else machine.tries


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_what_was_written_holds_with_the_next_poll(kept: Kept) -> None:
    assert kept.tries() == 1
    replace(kept.path, file(1), file(2))
    assert kept.tries() == 2


def test_another_file_of_the_same_size_and_time_is_another(kept: Kept) -> None:
    assert kept.tries() == 1
    status = kept.path.stat()
    new = kept.path.with_name("new")
    new.write_bytes(file(2))
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(kept.path)
    assert kept.tries() == 2


def test_what_cannot_be_read_keeps_the_last_version_and_is_said_once(kept: Kept) -> None:
    assert kept.tries() == 1
    kept.path.write_bytes(b"tries = -1")
    assert [kept.tries(), kept.tries()] == [1, 1]
    (said,) = kept.said
    assert "tries is -1" in said and said.endswith("what it said before holds")
    kept.path.unlink()
    assert kept.tries() is None


def test_what_lies_beside_a_file_hides_no_change_of_it(kept: Kept) -> None:
    folder = kept.path.parent
    (folder / "gone.toml").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.toml")
    (folder / "Box_1.toml").write_text("")
    (folder / ".#box.toml").symlink_to("dave@host.1")
    assert kept.tries() == 1
    kept.path.write_bytes(file(22))
    assert kept.tries() == 22
    assert len(kept.said) == 3
    assert all(any(name in said for said in kept.said) for name in ("gone.toml", "pipe.toml", "Box_1.toml"))

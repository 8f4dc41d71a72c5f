# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from keepsane.errors import InputError, OutputError
from keepsane.machine.write import replace, with_setting

PATH = Path("box.toml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"# a\n\ncommand_line = 'x'\t# b\n\n# c\ntries=5",
            b'# a\n\ncommand_line = "y"\t# b\n\n# c\ntries=5',
        ),
        (b"tries = 5 # a\r\n", b'tries = 5 # a\r\ncommand_line = "y"\n'),
        (b"", b'command_line = "y"\n'),
        (b'command_line = """\nx\n"""\n', None),
    ],
)
def test_one_setting_changes_and_nothing_else(before: bytes, after: bytes | None) -> None:
    if after is None:
        with pytest.raises(InputError, match="printable ASCII"):
            with_setting(PATH, before, "command_line", "x\n")
    else:
        assert with_setting(PATH, before, "command_line", "y") == after


@pytest.mark.parametrize("content", [b"command_line = ", b"\xff", b"tries = -1", b"a = [" * 20_000])
def test_a_file_that_is_wrong_is_not_made_another(content: bytes) -> None:
    with pytest.raises(InputError, match=r"box\.toml"):
        with_setting(PATH, content, "command_line", "y")


def test_a_change_of_somebody_else_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_bytes(b"tries = 5\n")
    with pytest.raises(InputError, match="changed by somebody else meanwhile; nothing is written"):
        replace(path, b"tries = 4\n", b"tries = 6\n")
    with pytest.raises(InputError, match="changed by somebody else"):
        replace(path, None, b"tries = 6\n")
    assert path.read_bytes() == b"tries = 5\n" and len(list(tmp_path.iterdir())) == 1


def test_a_new_file_is_its_owners_alone_and_a_link_stays_one(tmp_path: Path) -> None:
    new = tmp_path / "machines" / "box.toml"
    replace(new, None, b"tries = 5\n")
    assert new.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link.toml"
    link.symlink_to(new)
    replace(link, b"tries = 5\n", b"tries = 6\n")
    assert link.is_symlink() and new.read_bytes() == b"tries = 6\n"


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        replace(tmp_path / "file" / "box.toml", None, b"")

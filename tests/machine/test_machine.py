# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from keepsane.errors import InputError
from keepsane.machine.machine import DEFAULT_COMMAND_LINE, read_machine, read_machines

WHOLE = """
mac = ["52:54:00:12:34:56", "52-54-00-AA-BB-CC"]
command_line = "console=ttyS0 panic=10"
initrd = "initrd.gz"
policy = "last-good"
tries = 20
secret = "0123456789abcdef0123456789abcdef"
sign = ["sbsign", "{kernel}"]
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_a_machine_is_what_its_file_says(tmp_path: Path) -> None:
    machine = read_machine(write(tmp_path, "test-box", WHOLE))
    assert machine.name == "test-box"
    assert machine.mac == ("52:54:00:12:34:56", "52:54:00:aa:bb:cc")
    assert machine.command_line == "console=ttyS0 panic=10"
    assert machine.initrd == tmp_path / "initrd.gz"
    assert machine.policy == "last-good" and machine.tries == 20
    assert machine.secret == "0123456789abcdef" * 2 and machine.secret not in repr(machine)
    assert machine.sign == ("sbsign", "{kernel}")


def test_a_machine_comes_back_by_itself_where_nothing_else_is_said(tmp_path: Path) -> None:
    machine = read_machine(write(tmp_path, "box", 'mac = "52:54:00:12:34:56"'))
    assert "panic=10" in machine.command_line and machine.command_line == DEFAULT_COMMAND_LINE
    assert machine.policy == "wait" and machine.initrd is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("box", "macs = []", "macs is no setting"),
        ("box", 'mac = ["12:34"]', "no address of a network card"),
        ("box", "mac = 5", "mac is a list"),
        ("box", "command_line = 5", "is text"),
        ("box", "initrd = 5", "initrd is the path of a file"),
        ("box", 'initrd = ""', "initrd is the path of a file"),
        ("box", 'initrd = "a\\u0000b"', "initrd is the path of a file"),
        ("box", 'initrd = "~nobody99/x"', "no such home folder"),
        ("box", "mac = " + "[" * 60_000, "nested too deeply"),
        ("box", 'policy = "best"', "policy is one of"),
        ("box", "tries = -1", "tries is a number"),
        ("box", "tries = true", "tries is a number"),
        ("box", 'secret = "abc"', "secret is 32 of"),
        ("box", "secret = 5", "secret is 32 of"),
        ("box", 'sign = "sbsign"', "sign is a list"),
        ("box", "mac = [", "box.toml: "),
        ("box", 'mac = "\udcff"', "box.toml: "),
        ("Box_1", "", "a machine's name"),
    ],
)
def test_what_is_wrong_is_said_with_its_file(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=said):
        read_machine(path)


def test_a_card_that_stands_twice_in_one_file_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path, "one", 'mac = ["52:54:00:12:34:56", "52-54-00-12-34-56"]')
    assert [machine.name for machine in read_machines(tmp_path)] == ["one"]


def test_a_card_is_of_one_machine(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path, name, 'mac = "52:54:00:12:34:56"')
    with pytest.raises(InputError, match="is of one and of two"):
        read_machines(tmp_path)

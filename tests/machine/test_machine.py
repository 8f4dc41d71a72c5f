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
sign = ["sbsign", "--output", "{signed}", "{kernel}"]
modules = false
mark = "login:"
mark_seconds = 300
console = "/dev/ttyUSB0"
reboot = ["ssh", "root@test-box", "reboot -f"]
power = ["power-socket", "7"]
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
    assert machine.sign == ("sbsign", "--output", "{signed}", "{kernel}")
    assert not machine.modules and machine.console == "/dev/ttyUSB0"
    assert machine.mark == "login:" and machine.mark_seconds == 300
    assert machine.reboot == ("ssh", "root@test-box", "reboot -f") and machine.power == ("power-socket", "7")


def test_a_machine_comes_back_by_itself_where_nothing_else_is_said(tmp_path: Path) -> None:
    machine = read_machine(write(tmp_path, "box", 'mac = "52:54:00:12:34:56"'))
    assert "panic=10" in machine.command_line and machine.command_line == DEFAULT_COMMAND_LINE
    assert machine.policy == "wait" and machine.initrd is None and machine.modules
    assert machine.mark is None and machine.console is None and not machine.reboot + machine.power


def test_a_generated_initrd_is_no_file_and_a_file_of_that_name_is_one(tmp_path: Path) -> None:
    assert read_machine(write(tmp_path, "one", 'initrd = "generated"')).initrd == "generated"
    assert read_machine(write(tmp_path, "two", 'initrd = "./generated"')).initrd == tmp_path / "generated"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("box", "macs = []", "macs is no setting; there are busybox, command_line, console, "),
        ("box", "[mac]", "mac is {}; write a list"),
        ("box", 'mac = ["12:34"]', "mac has '12:34', no address of a network card; write it as 52:54:"),
        ("box", "mac = 5", "mac is 5; write a list"),
        ("box", "command_line = 5", "command_line is 5; write text"),
        ("box", 'command_line = "a=${hostname}"', "command_line cannot be booted: it names a setting"),
        ("box", "initrd = 5", "initrd is 5; write the path of a file"),
        ("box", 'initrd = ""', "initrd is ''; write the path of a file"),
        ("box", 'initrd = "a\\u0000b"', "write the path of a file"),
        ("box", 'initrd = "~nobody99/x"', "no such home folder; write the whole path"),
        ("box", "mac = " + "[" * 60_000, "nested too deeply"),
        ("box", 'policy = "best"', "policy is 'best'; write one of wait, last-good"),
        ("box", "tries = -1", "tries is -1; write a number from 0, which is never, to 1048575"),
        ("box", "tries = true", "tries is True; write a number"),
        ("box", "tries = 1" + "0" * 5000, "box.toml: "),
        ("box", "tries = 0x1" + "0" * 50_000, "tries is a int; write a number"),
        ("box", 'secret = "abc"', "secret is no secret; write 32 of"),
        ("box", "secret = 5", "secret is no secret; write 32 of"),
        ("box", 'sign = "sbsign"', "sign is 'sbsign'; write a list of words"),
        ("box", 'sign = ["sbsign", "{kernel}"]', 'with "{kernel}" and "{signed}" among them'),
        ("box", 'power = "off"', "power is 'off'; write a list of words"),
        ("box", 'power = [""]', "power is ['']; write a list of words"),
        ("box", 'reboot = ["a\\u0000"]', "reboot has a NUL"),
        ("box", 'modules = "yes"', "modules is 'yes'; write true or false"),
        ("box", 'mark = ""', "mark is ''; write a line of at most 200 letters"),
        ("box", "mark_seconds = 0", "mark_seconds is 0; write a number from 1 to 86400"),
        ("box", 'console = "a\\u001b"', "console is "),
        ("box", "mac = [", "box.toml: "),
        ("box", 'mac = "\udcff"', "box.toml: "),
        ("Box_1", "", "a machine's name"),
    ],
)
def test_what_is_wrong_is_said_with_its_file(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as error:
        read_machine(path)
    assert said in str(error.value) and str(path) in str(error.value)


def test_a_card_that_stands_twice_in_one_file_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path, "one", 'mac = ["52:54:00:12:34:56", "52-54-00-12-34-56"]')
    assert [machine.name for machine in read_machines(tmp_path)] == ["one"]


def test_a_card_is_of_one_machine(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path, name, 'mac = "52:54:00:12:34:56"')
    with pytest.raises(InputError, match="is of one and of two"):
        read_machines(tmp_path)

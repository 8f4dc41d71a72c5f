# SPDX-License-Identifier: GPL-2.0-or-later
"""
The scripts against a model of what iPXE does to a line: split at blanks, then settings put in.

Source: iPXE, core/exec.c, system() and shell_command().
"""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.machine.command_line import check_command_line
from keepsane.netboot.script import (
    MAX_FIRST_BYTES,
    Choice,
    File,
    boot_script,
    first_script,
    hold_script,
    safe,
)
from tests.ipxe_script import IpxeError, Machine

OPERATORS = {"&&", "||"}
COMMANDS = {
    *("set", "clear", "echo", "chain", "iseq", "isset", "exit", "menu", "item", "choose", "goto", "shell"),
    *("imgfree", "kernel", "initrd", "boot", "inc", "sleep", "dhcp", "sanboot"),
}


def settings_of(script: str, given_settings: dict[str, str]) -> dict[str, str]:
    """Run the `set` lines as iPXE does, and give the settings."""
    settings = dict(given_settings)
    for line in script.splitlines():
        match line.split(" "):
            case ["set", name, text] if name.endswith(":hexraw"):
                settings[f"{name.removesuffix(':hexraw')}:string"] = bytes.fromhex(text).decode()
            case ["set", "c", value]:
                settings["c"] = re.sub(r"\$\{([^}]*)\}", lambda found: settings.get(found[1], ""), value)
    return settings


def commands_of(script: str) -> set[str]:
    """Give the first word of each command, behind && and || too."""
    commands = set()
    for line in script.splitlines()[1:]:
        if line.startswith(":"):
            continue
        words = [word for word in line.split(" ") if word]
        starts = [0, *(at + 1 for at, word in enumerate(words) if word in OPERATORS)]
        commands |= {words[at] for at in starts if at < len(words)}
    return commands


def booted(command_line: str) -> str:
    script = boot_script(File("kernel", "f/0/kernel"), [File("initrd", "f/0/initrd")], command_line, "title")
    own = {"net0/ip": "10.0.2.15", "uuid": "1111"}
    return settings_of(script, own).get("c", "")


printable = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200)


@given(printable.filter(lambda text: "${" not in text))
def test_a_command_line_arrives_as_it_is(command_line: str) -> None:
    assert check_command_line(command_line) is None
    assert booted(command_line) == command_line


def test_the_machines_own_values_are_put_in() -> None:
    assert booted("ip=${net0/ip}::x test='a && b' u=${uuid}") == "ip=10.0.2.15::x test='a && b' u=1111"


@pytest.mark.parametrize(
    ("command_line", "wrong"),
    [
        ("a" * 2048, "2048 bytes"),
        ("root=${net0/filename}", "a setting"),
        ("x=${net0/ip", "a setting"),
        ("a\nb", "printable ASCII"),
        ("a=\u00fc", "printable ASCII"),
    ],
)
def test_what_cannot_be_booted_is_refused(command_line: str, wrong: str) -> None:
    assert wrong in (check_command_line(command_line) or "")


@given(st.text(max_size=300))
def test_nothing_from_outside_is_a_command(text: str) -> None:
    script = hold_script([text, text], "m=x&k=1", [Choice("b0", text, "b=1")])
    assert script.isascii()
    assert commands_of(script) <= COMMANDS
    assert "${" not in safe(text)


def test_quotes_of_gcc_are_shown_as_ascii_has_them() -> None:
    assert safe("error: \u2018x\u2019 undeclared, \u201cy\u201d \u00e4") == "error: 'x' undeclared, \"y\" ?"


def test_the_first_script_fits_and_asks_for_ever() -> None:
    script = first_script("http://192.168.100.100:8069", tries=0)
    assert len(script) <= MAX_FIRST_BYTES
    assert script.startswith("#!ipxe\n") and "goto ask" in script
    assert commands_of(script) <= COMMANDS


def test_the_first_script_may_give_up() -> None:
    assert "iseq ${misses} 20 && goto local" in first_script("http://h:1", tries=20)


def test_every_poll_has_a_timeout_of_its_own() -> None:
    """Without one, iPXE of 2019 waits for ever for a server that went away."""
    scripts = (
        first_script("http://h:1", tries=3),
        hold_script(["x"], "m=1", [Choice("good", "y", "b=2")]),
        boot_script(File("kernel", "f/k"), [File("initrd", "f/i")], "quiet", "t"),
    )
    for line in "".join(scripts).splitlines():
        if line.split(" ")[0] in ("chain", "kernel", "initrd"):
            assert "--timeout 15000" in line


def test_every_archive_is_named_to_the_kernel() -> None:
    """Under UEFI, iPXE of 2019 hands over only what the command line names."""
    script = boot_script(File("kernel", "f/k"), [File("initrd", "f/i"), File("modules", "f/m")], "quiet", "t")
    assert "initrd=initrd initrd=modules ${c}" in script


@pytest.mark.parametrize("line", ["-Wall -O2", "--- a/main.c", "-", f"cannot find {'x' * 64} -lelf"])
def test_no_line_of_the_screen_is_an_option_of_echo(line: str) -> None:
    """With an option that it does not know echo fails, and the script ends: nothing would boot."""

    async def run(script: str) -> list[str]:
        machine = Machine(no_fetch, asyncio.sleep, {})
        await machine.run(script)
        return machine.shown

    async def no_fetch(url: str, timeout_seconds: float | None) -> bytes:
        raise IpxeError(1)

    boot = boot_script(File("kernel", "f/0/kernel"), [], "quiet", [line])
    for script in (boot, hold_script([line], "m=1", ())):
        shown = asyncio.run(run(script))
        assert " ".join(" ".join(shown).split()).endswith(line)

# SPDX-License-Identifier: GPL-2.0-or-later
import gzip
from pathlib import Path

import pytest

from keepsane.machine.machine import Machine
from keepsane.netboot.doctor import check_machine, check_server

CONFIG = "CONFIG_RD_GZIP=y\nCONFIG_DEBUG_INFO=y\nCONFIG_SERIAL_8250_CONSOLE=y\n# CONFIG_RD_XZ is not set\n"
CARD = ("52:54:00:12:34:56",)


def red(machine: Machine, config: str | None = CONFIG) -> str:
    return "\n".join(check.what for check in check_machine(machine, config) if check.ok is False)


def test_a_machine_that_is_well_has_nothing_red(tmp_path: Path) -> None:
    (tmp_path / "initrd").write_bytes(gzip.compress(b"cpio"))
    machine = Machine(name="box", mac=CARD, initrd=tmp_path / "initrd", command_line="console=ttyS0 panic=10")
    assert red(machine) == "" and red(machine, None) == ""


@pytest.mark.parametrize(
    ("command_line", "said"),
    [
        ("quiet", "no panic="),
        ("panic=0", "no panic="),
        ("panic=-1", "before its last lines are out"),
        ("xpanic=10", "no panic="),
        ("panic=10 root=UUID=1-2 ro", "root=UUID=1-2 without an initrd: the kernel alone knows no UUID=;"),
        ("panic=10 root=LABEL=a", "the kernel alone knows no LABEL=;"),
        ("panic=10 ro", "no root= and no initrd"),
        ("panic=10 a=${b}", "cannot be booted"),
        ("panic=10 initrd=/boot/initrd.img", "says initrd=/boot/initrd.img, which UEFI looks for"),
    ],
)
def test_a_command_line_that_loses_the_crash_is_red(command_line: str, said: str) -> None:
    assert said in red(Machine(name="box", mac=CARD, command_line=command_line))


def test_a_root_that_the_kernel_finds_is_not_red() -> None:
    assert red(Machine(name="box", mac=CARD, command_line="panic=10 root=PARTUUID=1-2")) == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read its initrd"), (b"\xfd7zXZ\0\0\0", "no CONFIG_RD_XZ"), (b"text", "no initrd that")],
)
def test_an_initrd_that_the_kernel_cannot_take_is_red(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "initrd").write_bytes(content)
    assert said in red(Machine(name="box", mac=CARD, initrd=tmp_path / "initrd"))


def test_a_serial_console_needs_its_driver() -> None:
    machine = Machine(name="box", mac=CARD, command_line="console=ttyS0 panic=10")
    assert "CONFIG_SERIAL_8250_CONSOLE" in red(machine, "CONFIG_DEBUG_INFO=y\n")


def test_a_machine_without_a_card_is_nobody() -> None:
    assert "no network card is named" in red(Machine(name="box"))


@pytest.mark.parametrize(
    ("address", "answer", "ok"),
    [
        ("192.168.1.5:8069", b"#!ipxe\n", True),
        ("127.0.0.1:8069", b"#!ipxe\n", None),
        ("192.168.1.5:8069", b"<html>", False),
        ("192.168.1.5:8069", None, False),
    ],
)
def test_the_server_must_be_ours_and_reached(address: str, answer: bytes | None, ok: bool | None) -> None:
    assert check_server(address, answer).ok is ok

# SPDX-License-Identifier: GPL-2.0-or-later
"""Each trap of a file that brings a machine here; what GRUB's and dnsmasq's own readers say of it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.netboot.check import Check
from keepsane.netboot.doctor_files import check_dnsmasq, check_grub, check_script, wrong_url
from keepsane.netboot.script import File, boot_script, first_script
from keepsane.netboot.ways_in import GRUB, STICK, dnsmasq_conf

URL = "http://192.168.1.5:8069/s"


def red(checks: Iterator[Check]) -> list[str]:
    return [check.what for check in checks if check.ok is False]


def entry(*lines: str) -> str:
    inside = "\n".join(f"    {line}" for line in lines)
    return f'menuentry "test" {{\n{inside}\n}}\n'


@pytest.mark.parametrize("text", [GRUB, STICK])
def test_what_setup_writes_for_grub_is_well(text: str) -> None:
    assert [check.ok for check in check_grub("grub.cfg", text)] == [True]


def test_what_setup_writes_for_dnsmasq_is_well() -> None:
    assert [check.ok for check in check_dnsmasq("f", dnsmasq_conf("192.168.1.5", 8069, 20))] == [True]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["linux16 /boot/ipxe.lkrn dhcp && chain http://h/s"], "takes && and || for its own"),
        (['linux16 /boot/ipxe.lkrn "dhcp && chain http://h/s"'], "as one word"),
        (["linux16 /boot/ipxe.lkrn 'dhcp && chain http://h/s'"], "as one word"),
        (["linux16 /boot/ipxe.lkrn", "initrd /boot/first.ipxe"], "wants initrd16"),
        (["linux16 /boot/ipxe.lkrn"], "no initrd16 gives iPXE its script"),
        (["linux16 /boot/vmlinuz root=/dev/sda1"], "no menuentry starts iPXE"),
        (["# linux16 /boot/ipxe.lkrn"], "no menuentry starts iPXE"),
    ],
)
def test_a_trap_of_grub_is_red(lines: list[str], said: str) -> None:
    (what,) = red(check_grub("grub.cfg", entry(*lines)))
    assert said in what and what.startswith("grub.cfg: ")


@pytest.mark.skipif(not shutil.which("grub-script-check"), reason="there is no grub-script-check here")
@pytest.mark.parametrize("quotes", ["&&", "'&&'", "\\&\\&"])
def test_grub_stops_at_what_is_called_its_own(tmp_path: Path, quotes: str) -> None:
    text = entry(f"linux16 /boot/ipxe.lkrn dhcp {quotes} chain 'http://h/s'")
    (tmp_path / "grub.cfg").write_text(text)
    ran = subprocess.run(["grub-script-check", tmp_path / "grub.cfg"], capture_output=True)
    assert bool(red(check_grub("f", text))) == bool(ran.returncode)


def test_an_entry_that_starts_for_ever_is_noted() -> None:
    checks = list(check_grub("f", entry("linux16 /ipxe.lkrn", "initrd16 /first.ipxe")))
    assert [check.ok for check in checks] == [True, None] and "0x4f0" in checks[1].what


WELL = dnsmasq_conf("192.168.1.5", 8069, 0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",,192.168.1.5\n", "\n", "names no server behind"),
        (",,192.168.1.5\n", ",name\n", "names no server behind"),
        ('pxe-service=tag:!ipxe,BC_EFI,"iPXE",snponly.efi\n', "", "ask as BC_EFI"),
        ("dhcp-match=set:ipxe,175\n", "", "add dhcp-match"),
        ("dhcp-boot=tag:ipxe,", "dhcp-boot=", "say tag:ipxe"),
        ("dhcp-boot=", "#dhcp-boot=", "gives iPXE the address of its script"),
        ("/s,,", f"/s?{'x' * 120},,", "BOOTP carries 127"),
        ("port=0\n", "port=0\ndhcp-vendorclass=set:http,HTTPClient\n", "gives up after 5 s"),
    ],
)
def test_a_trap_of_dnsmasq_is_red(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WELL
    text = WELL.replace(old, new)
    (what,) = red(check_dnsmasq("f", text))
    assert said in what
    if dnsmasq := shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"):
        (tmp_path / "conf").write_text(text)
        assert subprocess.run([dnsmasq, "--test", f"--conf-file={tmp_path}/conf"]).returncode == 0, (
            "it says nothing"
        )


def test_blanks_of_dnsmasq_do_not_matter() -> None:
    assert red(check_dnsmasq("f", WELL.replace("=", " = ").replace(",,", " , , "))) == []


def test_a_url_has_room_for_127_bytes() -> None:
    assert wrong_url("http://" + "h" * 120) is None
    assert "128 bytes" in (wrong_url("http://" + "h" * 121) or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!ipxe\nkernel k quiet\ninitrd i\nboot\n", "no initrd=NAME"),
        ("#!ipxe\nimgfetch http://h/marker\nkernel k\nboot\n", "in front of the initrd"),
        ("kernel k\nboot\n", "does not begin with #!ipxe"),
    ],
)
def test_a_trap_of_a_script_is_red(text: str, said: str) -> None:
    (what,) = red(check_script("f", text))
    assert said in what


def test_our_own_scripts_have_none() -> None:
    boot = boot_script(File("kernel", "k"), [File("initrd", "i")], "quiet", "title")
    for script in (boot, first_script("http://h:1", tries=0)):
        assert [check.ok for check in check_script("f", script)] == [True]
    noted = list(check_script("f", "#!ipxe\nchain http://h/s\n"))
    assert noted[-1].ok is None and "--timeout" in noted[-1].what


@pytest.mark.parametrize("check", [check_grub, check_dnsmasq, check_script])
@given(text=st.text(max_size=400))
def test_any_text_is_answered(check: Callable[[str, str], Iterator[Check]], text: str) -> None:
    assert list(check("f", text))

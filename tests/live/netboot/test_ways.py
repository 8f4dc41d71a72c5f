# SPDX-License-Identifier: GPL-2.0-or-later
"""What `setup` and `export` write, by what reads it: GRUB, a BIOS, UEFI, a web server, Kbuild's script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.guests import Guest
from tests.live.netboot.lab import IPXE, Lab, from_ipxe, machine

pytestmark = pytest.mark.live

COMMAND_LINE = """console=ttyS0 panic=1 t="a && b  || c" ip=${net0/ip}"""
BOOTED_WITH = """console=ttyS0 panic=1 t="a && b  || c" ip=10.0.2.15"""
SECRET = "0123456789abcdef" * 2
NOBODY = "10.0.2.2:9"  # the port of a service that no machine has any more
NORMAL = 'menuentry "the normal one" { echo; echo it is here; sleep 600; }\n'
"""A machine that is switched off at once takes with it what the BIOS has not sent to the serial line yet."""
OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
SOURCE = Path("/usr/src/linux-source-6.12.tar.xz")


@pytest.fixture
def guest(guests: tuple[Guest, ...]) -> Guest:
    """One kernel is enough: nothing here depends on its version."""
    return guests[-1]


@pytest.fixture
def lab(tmp_path: Path, guest: Guest) -> Lab:
    lab = Lab(tmp_path / "home", tmp_path / "tree")
    initrd = guest.folder / "initrd" / guest.release
    lab.describe("box", COMMAND_LINE, initrd=str(initrd), secret=SECRET)
    lab.hold(guest.folder / "image" / guest.release)
    return lab


@pytest.fixture
def bare(tmp_path: Path) -> Lab:
    """A keepsane without a kernel and without a machine."""
    (tmp_path / "tree").mkdir()
    return Lab(tmp_path / "home", tmp_path / "tree")


def disk(folder: Path, grub: str, files: dict[str, Path]) -> Path:
    """Make a disk from which a BIOS starts GRUB."""
    boot = folder / "disk" / "boot"
    (boot / "grub").mkdir(parents=True)
    (boot / "grub" / "grub.cfg").write_text(grub)
    for name, path in files.items():
        shutil.copyfile(path, boot / name)
    image = folder / "disk.img"
    command = ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", str(image), str(folder / "disk")]
    subprocess.run(command, check=True, capture_output=True)
    return image


def drive(image: Path) -> tuple[str, str]:
    return ("-drive", f"file={image},format=raw,snapshot=on")


def test_a_stick_brings_a_machine_with_its_secret_here(lab: Lab, tmp_path: Path) -> None:
    with lab.served() as (_, port):
        stick = lab.first_script(port, tmp_path, "--machine", "box").with_name("keepsane.iso")
        with machine(tmp_path / "console", *drive(stick)) as box:
            box.shows("box waits, nothing is being built")
            assert SECRET not in box.text()
            assert lab.keepsane("build", "--", "true").returncode == 0
            assert (
                box.shows(r"Command line: initrd=initrd keepsane.boot=\S+ keepsane.server=\S+ (.*?)\r?\n")[1]
                == BOOTED_WITH
            )
            box.shows("lab: done")


def test_who_starts_without_the_secret_is_told_what_is_missing(lab: Lab, tmp_path: Path) -> None:
    assert lab.keepsane("build", "--", "true").returncode == 0
    with lab.served() as (_, port):
        script = lab.first_script(port, tmp_path)
        with machine(tmp_path / "console", *from_ipxe(script)) as box:
            box.shows("box has a secret, and what asks here did not say it")
            assert "Linux version" not in box.text()


def test_grub_goes_on_with_its_normal_entry_when_ipxe_gives_up(bare: Lab, tmp_path: Path) -> None:
    assert bare.keepsane("setup", NOBODY, str(tmp_path / "ways"), "--tries", "2").returncode == 0
    files = {"first.ipxe": tmp_path / "ways" / "first.ipxe", "ipxe.lkrn": IPXE}
    files["grub/custom.cfg"] = tmp_path / "ways" / "grub.cfg"
    image = disk(tmp_path, f"set timeout=0\n{NORMAL}source /boot/grub/custom.cfg\n", files)
    with machine(tmp_path / "console", *drive(image)) as box:
        box.shows("gave nothing to boot, try 2")
        box.shows("Booting `the normal one'")
        assert box.text().count("gave nothing to boot, try 1") == 1, "iPXE was started once"


def test_a_stick_goes_on_with_the_disk_when_ipxe_gives_up(bare: Lab, tmp_path: Path) -> None:
    assert bare.keepsane("setup", NOBODY, str(tmp_path / "ways"), "--tries", "1").returncode == 0
    image = disk(tmp_path, f"set timeout=0\n{NORMAL}", {})
    with machine(tmp_path / "console", *drive(tmp_path / "ways" / "keepsane.iso"), *drive(image)) as box:
        box.shows("gave nothing to boot, try 1")
        box.shows("Booting `the normal one'")


@pytest.mark.skipif(not OVMF.exists(), reason="there is no OVMF here")
def test_a_uefi_machine_goes_on_with_its_firmware_when_ipxe_gives_up(bare: Lab, tmp_path: Path) -> None:
    """The firmware's network card has iPXE, which takes its script from DHCP."""
    shutil.copyfile(OVMF.with_name("OVMF_VARS_4M.fd"), tmp_path / "vars.fd")
    flash = ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
    flash += ["-drive", f"if=pflash,format=raw,file={tmp_path}/vars.fd"]
    with bare.served() as (server, port):
        url = f"http://10.0.2.2:{port}/s?t=2"
        network = ("-netdev", f"user,id=m,bootfile={url}", "-device", "virtio-net-pci,netdev=m,bootindex=1")
        with machine(tmp_path / "console", "-machine", "q35", *flash, *network) as box:
            box.shows("no machine is known with the network card")
            server.kill()
            server.wait()
            box.shows("starting what the firmware starts next")
            box.shows(r"UEFI Interactive Shell|Shell>")


@contextmanager
def web_server(folder: Path) -> Iterator[int]:
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"port (\d+)", server.stdout.readline())
        assert found is not None
        try:
            yield int(found[1])
        finally:
            server.terminate()


def test_an_exported_build_boots_from_any_web_server(lab: Lab, tmp_path: Path) -> None:
    assert lab.keepsane("build", "--", "true").returncode == 0
    exported = lab.keepsane("export", str(tmp_path / "web" / "box"), "box")
    assert exported.returncode == 0, exported.stderr
    with web_server(tmp_path / "web") as port:
        script = tmp_path / "go.ipxe"
        script.write_text(f"#!ipxe\ndhcp\nchain http://10.0.2.2:{port}/box/boot.ipxe\n")
        with machine(tmp_path / "console", *from_ipxe(script)) as box:
            assert box.shows(r"Command line: initrd=initrd (.*?)\r?\n")[1] == BOOTED_WITH
            box.shows("lab: done")


@pytest.mark.skipif(not SOURCE.exists(), reason="there is no linux-source-6.12 here")
def test_the_hook_is_found_by_kbuild_itself(bare: Lab, tmp_path: Path, guest: Guest) -> None:
    """The real Makefile and scripts/install.sh, with a kernel and a configuration that were put there."""
    tree = tmp_path / "linux-source-6.12"
    parts = [
        f"linux-source-6.12/{name}"
        for name in ("Makefile", "scripts/*", "arch/x86/Makefile*", "arch/x86/boot/*")
    ]
    subprocess.run(["tar", "-xJf", SOURCE, "-C", tmp_path, "--wildcards", *parts], check=True)
    for name in ("include/config/auto.conf", "include/generated/autoconf.h", ".config", "System.map"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(
            "CONFIG_X86=y\nCONFIG_X86_64=y\nCONFIG_64BIT=y\n" if "auto.conf" in name else ""
        )
    (tree / "include" / "config" / "kernel.release").write_text("6.12.0-hook\n")
    shutil.copyfile(guest.folder / "image" / guest.release, tree / "arch" / "x86" / "boot" / "bzImage")
    environment = {**bare.environment, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "keepsane.cli", "netboot", "setup", "--hook", str(tree)]
    proved = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert "ok    make install comes here: the receipt says 6.12.0-hook #1" in proved.stdout
    assert os.access(tmp_path / "bin" / "keepsane-install", os.X_OK)

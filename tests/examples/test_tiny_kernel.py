# SPDX-License-Identifier: GPL-2.0-or-later
"""The example kernel is built by gcc and make; what is read of it here was written by the linker."""

import os
import subprocess
from pathlib import Path

import pytest

from keepsane.commands.netboot.tiny_kernel import copy_kernel
from keepsane.netboot.kernel_image import read_image_head
from keepsane.symbols.binary.elf import read_elf

PATH = "/usr/local/bin:/usr/bin:/bin"


def make(tree: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": PATH, "HOME": str(home), "INSTALLKERNEL": "not-asked"}
    return subprocess.run(["make", "-C", tree, *words], env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tree = folder / "tree"
    copy_kernel(tree)
    ran = make(tree, home=folder)
    assert ran.returncode == 0, ran.stderr
    assert "  CC      drivers/demo.o\n" in ran.stdout
    return tree


def test_its_image_says_its_release_and_build(built: Path) -> None:
    head = read_image_head((built / "arch/x86/boot/bzImage").read_bytes())
    assert head is not None
    assert (head.release, head.number) == ("1.0.0-tiny", "#1")


def test_its_symbols_are_those_of_its_vmlinux(built: Path) -> None:
    listed = subprocess.run(["nm", "-n", built / "vmlinux"], capture_output=True, text=True).stdout
    assert (built / "System.map").read_text() == listed
    assert " ring_add\n" in listed and " ring_space\n" not in listed
    notes = subprocess.run(["readelf", "-n", built / "vmlinux"], capture_output=True, text=True).stdout
    assert f"Build ID: {read_elf(built / 'vmlinux').build_id}\n" in notes


def test_install_asks_the_hook_in_the_home_first(built: Path, tmp_path: Path) -> None:
    hook = tmp_path / "bin" / "keep"
    hook.parent.mkdir()
    hook.write_text('#!/bin/sh\necho "$KERNELRELEASE: $*"\n')
    hook.chmod(0o755)
    ran = make(built, "install", "INSTALLKERNEL=keep", f"INSTALL_PATH={tmp_path}", home=tmp_path)
    assert f"1.0.0-tiny: 1.0.0-tiny arch/x86/boot/bzImage System.map {tmp_path}\n" in ran.stdout


def test_install_without_a_hook_copies_and_never_to_boot(built: Path, tmp_path: Path) -> None:
    refused = make(built, "install", "INSTALLKERNEL=keep", home=tmp_path)
    assert refused.returncode != 0 and "a toy does not go to /boot" in refused.stderr
    ran = make(built, "install", "INSTALLKERNEL=keep", f"INSTALL_PATH={tmp_path}/out", home=tmp_path)
    assert ran.returncode == 0
    assert (tmp_path / "out/vmlinuz").read_bytes() == (built / "arch/x86/boot/bzImage").read_bytes()
    assert not os.path.lexists(tmp_path / "bin")

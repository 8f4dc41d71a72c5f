# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree that installs as Kbuild does: the same Makefile variable, the same search, the same fall-back."""

from __future__ import annotations

from pathlib import Path

MAKEFILE = """\
INSTALLKERNEL := installkernel
KERNELRELEASE := 6.12.9-test+
KBUILD_IMAGE := arch/x86/boot/bzImage
INSTALL_PATH ?= $(CURDIR)/boot
export INSTALLKERNEL KERNELRELEASE KBUILD_IMAGE INSTALL_PATH
install:
\t@sh scripts/install.sh
"""
# scripts/install.sh of 6.12, but for the folder that stands for /sbin.
INSTALL = """\
set -e
for file in "${{HOME}}/bin/${{INSTALLKERNEL}}" "{sbin}/${{INSTALLKERNEL}}" "arch/x86/boot/install.sh"
do
    if [ ! -x "${{file}}" ]; then
        continue
    fi
    exec "${{file}}" "${{KERNELRELEASE}}" "${{KBUILD_IMAGE}}" System.map "${{INSTALL_PATH}}"
done
echo "No install script found" >&2
exit 1
"""
FALL_BACK = """#!/bin/sh\ncat "$2" > "$4/vmlinuz"\n"""


def kernel_tree(folder: Path, image: bytes) -> Path:
    """Make it, with a kernel built; what stands for /sbin is `folder`/sbin."""
    tree = folder / "linux"
    (tree / "arch" / "x86" / "boot").mkdir(parents=True)
    (tree / "scripts").mkdir()
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / "scripts" / "install.sh").write_text(INSTALL.format(sbin=folder / "sbin"))
    (tree / "arch" / "x86" / "boot" / "bzImage").write_bytes(image)
    (tree / "System.map").write_text("0000000000000000 A stub\n")
    program(tree / "arch" / "x86" / "boot" / "install.sh", FALL_BACK)
    return tree


def program(path: Path, text: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path

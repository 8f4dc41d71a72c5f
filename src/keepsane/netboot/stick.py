# SPDX-License-Identifier: GPL-2.0-or-later
"""
Media that start iPXE with the first script: an image for a USB stick or a CD, and a folder for a UEFI stick.

    keepsane.iso                    BIOS: GRUB, ipxe.lkrn and first.ipxe, made by grub-mkrescue and xorriso
    esp/EFI/BOOT/BOOTX64.EFI        UEFI: an iPXE that reads the autoexec.ipxe beside it

iPXE reads autoexec.ipxe since 2021; Debian 12's, of 2019, does not. Source: iPXE's
interface/efi/efi_autoexec.c; the fallback path is that of the UEFI specification 2.10, section 3.5.1.1.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from keepsane.errors import InputError, OutputError
from keepsane.netboot.ways_in import STICK

GRUB_MODULES = Path("/usr/lib/grub/i386-pc")
MAX_IPXE_BYTES = 64 << 20
_NEEDED = (("grub-mkrescue", "grub-common"), ("xorriso", "xorriso"))
_BOOT_FOLDER = Path("EFI", "BOOT")
_AUTOEXEC = "autoexec.ipxe"
_SECONDS = 120


def missing_for_image(lkrn: Path, modules: Path = GRUB_MODULES) -> str | None:
    """Say what must be installed before `write_image` can work, None where it can."""
    packages = [package for program, package in _NEEDED if shutil.which(program) is None]
    if not modules.is_dir():
        packages.append("grub-pc-bin")
    if not lkrn.is_file():
        packages.append("ipxe")
    return f"apt install {' '.join(packages)}" if packages else None


def write_image(image: Path, lkrn: Path, script: str, modules: Path = GRUB_MODULES) -> None:
    """Write an image for a USB stick or a CD of a machine with a BIOS. Raises OutputError, OSError."""
    with tempfile.TemporaryDirectory(prefix="keepsane-") as folder:
        content, made = Path(folder) / "content", Path(folder) / "made.iso"
        boot = content / "boot"
        (boot / "grub").mkdir(parents=True)
        shutil.copyfile(lkrn, boot / "ipxe.lkrn")
        (boot / "first.ipxe").write_text(script, encoding="ascii")
        (boot / "grub" / "grub.cfg").write_text(STICK, encoding="ascii")
        # Of one platform: a GRUB for UEFI would start here too, and has no linux16.
        ran = subprocess.run(
            ("grub-mkrescue", "-d", str(modules), "-o", str(made), str(content)),  # noqa: S607
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
        if ran.returncode or not made.is_file():
            said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
            raise OutputError(f"grub-mkrescue could not write {image}: {said[-1] if said else 'no reason'}")
        shutil.copyfile(made, image)


def write_esp(folder: Path, ipxe: Path, script: str) -> None:
    """Write what goes onto a stick with FAT for a UEFI machine. Raises InputError, OSError."""
    try:
        with ipxe.open("rb") as file:
            content = file.read(MAX_IPXE_BYTES)
    except OSError as error:
        raise InputError(f"cannot read {ipxe}: {error.strerror or error}") from error
    if wrong := _wrong_with(content):
        raise InputError(f"{ipxe} {wrong}")
    boot = folder / _BOOT_FOLDER
    boot.mkdir(parents=True, exist_ok=True)
    (boot / "BOOTX64.EFI").write_bytes(content)
    # Beside the program is where iPXE 2.0 looks, the root of the stick where the ones before it did.
    for place in (boot, folder):
        (place / _AUTOEXEC).write_text(script, encoding="ascii")


def _wrong_with(ipxe: bytes) -> str | None:
    """Say why a program is no iPXE that reads autoexec.ipxe; its name is in it as text of 1 or 2 bytes."""
    if not ipxe.startswith(b"MZ"):
        return "is no program for UEFI; name an ipxe.efi"
    if _AUTOEXEC.encode() in ipxe or _AUTOEXEC.encode("utf-16-le") in ipxe:
        return None
    return "reads no autoexec.ipxe, as iPXE does since 2021; Debian 12's is of 2019. Name a newer ipxe.efi"

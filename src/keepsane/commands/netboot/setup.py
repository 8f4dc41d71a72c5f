# SPDX-License-Identifier: GPL-2.0-or-later
"""
Write what brings a machine to this server, or prove that `make install` comes here.

    keepsane netboot setup 192.168.1.5 ways
    keepsane netboot setup 192.168.1.5 ways --machine test-box --secret
    keepsane netboot setup --hook ~/linux

first.ipxe is the script that asks. grub.cfg starts it from GRUB 2 on a BIOS, keepsane.iso from a USB stick
or a CD, dnsmasq.conf over the network beside the DHCP server that is there, esp/ from a UEFI stick where
--ipxe-efi names an iPXE of 2021 or later. Outside the folder only --secret writes: into the machine's file.

--hook links keepsane-install into ~/bin, runs `make install` in a kernel tree that is built, with folders of
its own for everything that is written, and looks for the receipt.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from keepsane.commands.netboot.hook import prove_hook
from keepsane.commands.netboot.machine import chosen_machine
from keepsane.commands.netboot.secret import secret_of
from keepsane.errors import InputError, OutputError
from keepsane.machine.machine import machine_files, machines_folder
from keepsane.netboot.script import first_script
from keepsane.netboot.stick import missing_for_image, write_esp, write_image
from keepsane.netboot.ways_in import GRUB, IPXE_FOLDER, PORT, dnsmasq_conf, parse_address
from keepsane.render.visible import escaped

_FOR_EVER = 0


class _Way(NamedTuple):
    """A way in: what it takes, and what to do with it; or why it is not there."""

    machine: str
    do: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot setup` takes."""
    parser.add_argument(
        "address", metavar="ADDRESS[:PORT]", nargs="?", help="where machines reach this server"
    )
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="where the files are written")
    parser.add_argument(
        "--tries",
        type=int,
        help="give up after so many in vain, and start what the firmware starts next (default: never)",
    )
    parser.add_argument("--machine", metavar="NAME", help="take secret and tries of this machine's file")
    parser.add_argument("--secret", action="store_true", help="give that machine a secret if it has none")
    parser.add_argument(
        "--ipxe",
        metavar="FOLDER",
        type=Path,
        help=f"where ipxe.lkrn is (default: {IPXE_FOLDER})",
    )
    parser.add_argument("--ipxe-efi", metavar="FILE", type=Path, help="an ipxe.efi that reads autoexec.ipxe")
    parser.add_argument(
        "--hook", metavar="TREE", nargs="?", const=".", type=Path, help="prove `make install` in this tree"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files, prove the hook; 1 where the hook did not run. Raises InputError and OutputError."""
    if arguments.hook is None and arguments.folder is None:
        raise InputError("name the address of this machine and a folder, or --hook and a kernel tree")
    if arguments.address is not None:
        _write(arguments)
    return 0 if arguments.hook is None else prove_hook(arguments.hook)


def _write(arguments: argparse.Namespace) -> None:
    address, port = parse_address(arguments.address)
    folder = _folder(arguments.folder)
    if arguments.ipxe is not None and not (arguments.ipxe / "ipxe.lkrn").is_file():
        raise InputError(f"there is no ipxe.lkrn in {arguments.ipxe}; name the folder that has it")
    secret, tries = _of_machine(arguments)
    script = first_script(f"http://{address}:{port}", tries, secret)
    files = {"first.ipxe": script, "grub.cfg": GRUB, "dnsmasq.conf": dnsmasq_conf(address, port, tries)}
    try:
        with _readable_by(everybody=not secret):
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (folder / name).unlink(missing_ok=True)
                (folder / name).write_text(text, encoding="ascii")
            ways = list(_ways(folder, arguments, script))
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    _show(folder, address, port, ways, secret)


def _of_machine(arguments: argparse.Namespace) -> tuple[str, int]:
    """Give the secret and the tries. Raises InputError."""
    if arguments.secret and arguments.machine is None:
        raise InputError("--secret is one machine's: --machine NAME says which")
    machine = None if arguments.machine is None else chosen_machine(arguments.machine)
    tries = arguments.tries
    if tries is None:
        tries = _FOR_EVER if machine is None else machine.tries
    if not 0 <= tries < 1 << 20:
        raise InputError(f"--tries {tries} is no number of tries; 0 is for ever")
    return ("" if machine is None else secret_of(machine, make=arguments.secret)), tries


def _ways(folder: Path, arguments: argparse.Namespace, script: str) -> Iterator[_Way]:
    lkrn = (arguments.ipxe or Path(IPXE_FOLDER)) / "ipxe.lkrn"
    here = escaped(str(folder))
    yield _Way(
        "GRUB 2 on a BIOS",
        f"copy {here}/first.ipxe and {escaped(str(lkrn))} to its /boot,\n"
        f"    and {here}/grub.cfg to its /boot/grub/custom.cfg",
    )
    if missing := missing_for_image(lkrn):
        yield _Way("USB stick or CD on a BIOS", f"not written; {missing}, then once more")
    else:
        image = folder / "keepsane.iso"
        image.unlink(missing_ok=True)
        write_image(image, lkrn, script)
        yield _Way("USB stick or CD on a BIOS", f"write {here}/keepsane.iso to it, as it is")
    if arguments.ipxe_efi is None:
        yield _Way("UEFI stick", "not written; --ipxe-efi FILE names an iPXE of 2021 or later")
    else:
        write_esp(folder / "esp", arguments.ipxe_efi, script)
        yield _Way("UEFI stick", f"copy what is in {here}/esp to a FAT file system on it")
    yield _Way(
        "network start, BIOS or UEFI",
        f"put its network into {here}/dnsmasq.conf, and run here, as root:\n"
        f"    dnsmasq --conf-file={here}/dnsmasq.conf --no-daemon",
    )


def _show(folder: Path, address: str, port: int, ways: list[_Way], secret: str) -> None:
    sys.stdout.write(f"written to {escaped(str(folder))}; choose the way of your machine:\n")
    sys.stdout.writelines(f"  {way.machine}: {way.do}\n" for way in ways)
    if secret:
        sys.stdout.write(
            "the secret is in first.ipxe and what is made of it, not in what a network start gets\n"
        )
    if not machine_files(machines_folder()):
        sys.stdout.write("no machine is described yet: keepsane netboot edit test-box\n")
    else_port = "" if port == PORT else f" --port {port}"
    sys.stdout.write(f"then, here: keepsane netboot serve --address {address}{else_port}\n")


def _folder(said: str | None) -> Path:
    """Read the folder; an empty name, of a variable that is not set, would be the current one."""
    if not said:
        raise InputError("the folder has no name; name one, as ways")
    return Path(said)


@contextmanager
def _readable_by(*, everybody: bool) -> Iterator[None]:
    """Keep what is written from others where a secret is in it."""
    before = os.umask(0o077)
    os.umask(before if everybody else 0o077)
    try:
        yield
    finally:
        os.umask(before)

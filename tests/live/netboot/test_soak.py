# SPDX-License-Identifier: GPL-2.0-or-later
"""
What waits for minutes, and what takes a network: UEFI beside a foreign DHCP server, Secure Boot, long holds.

    make soak-netboot      9 minutes, as root; its figures are printed, and stand in docs/figures.md
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.netboot.conftest import PLAIN, OwnKernel
from tests.live.netboot.lab import Lab, machine
from tests.live.netboot.network import INSIDE, SERVER, dhcp, lab_network, uefi, wire

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
]

BOXES = {name: f"52:54:00:77:00:0{number}" for number, name in enumerate(("uefi", "rom", "third"))}
UEFI_WATCHDOG_SECONDS = 300
KEYS = Path("/usr/share/ovmf")
IPXE = Path("/usr/lib/ipxe")
TFTP = f"tftp-root={IPXE}\n"


@pytest.fixture
def lab(tmp_path: Path, own_kernel: OwnKernel) -> Iterator[Lab]:
    """Three machines of one network, and the build machine in it."""
    lab = Lab(tmp_path / "home", tmp_path / "tree", INSIDE, SERVER)
    lab.hold(own_kernel.image)
    for name, mac in BOXES.items():
        lab.describe(name, PLAIN, mac=mac, initrd=str(own_kernel.initrd))
    with lab_network(len(BOXES)):
        yield lab


def test_three_machines_are_held_and_one_on_uefi_for_longer_than_its_watchdog(
    lab: Lab, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        server, port = stack.enter_context(lab.served())
        generated = lab.first_script(port, tmp_path).with_name("dnsmasq.conf")
        stack.enter_context(dhcp(tmp_path, generated))
        boxes = [
            stack.enter_context(
                machine(
                    tmp_path / name,
                    *(uefi(tmp_path / "firmware") if name == "uefi" else ()),
                    wire=wire(number, mac, rom=name != "uefi"),
                    inside=INSIDE,
                )
            )
            for number, (name, mac) in enumerate(BOXES.items())
        ]
        for name, box in zip(BOXES, boxes, strict=True):
            box.shows(f"{name} waits, nothing is being built")
        began = time.monotonic()
        time.sleep(150)
        for name in list(BOXES)[1:]:
            assert lab.keepsane("build", "--machine", name, "--", "true").returncode == 0
        for box in boxes[1:]:
            box.shows("netboot: up")
        server.send_signal(signal.SIGSTOP)
        time.sleep(60)
        server.send_signal(signal.SIGCONT)
        boxes[0].shows("gave nothing to boot, try 2")
        time.sleep(max(0.0, UEFI_WATCHDOG_SECONDS + 60 - (time.monotonic() - began)))
        assert lab.keepsane("build", "--machine", "uefi", "--", "true").returncode == 0
        boxes[0].shows("netboot: up")
        print(f"held on UEFI for {time.monotonic() - began:.0f} s, its server stopped for 60 s of them")
    assert lab.keepsane("history").stdout.count("has not come back") == len(BOXES)


def test_an_unsigned_kernel_is_refused_and_named_and_a_signed_one_boots(
    lab: Lab, own_kernel: OwnKernel, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key", KEYS / "PkKek-1-snakeoil.pem"
    opened: list[str | Path] = [
        "openssl",
        "rsa",
        "-in",
        KEYS / "PkKek-1-snakeoil.key",
        "-passin",
        "pass:snakeoil",
        "-out",
        key,
    ]
    subprocess.run(opened, check=True, capture_output=True)

    def signed(file: Path, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = ["sbsign", "--key", key, "--cert", certificate, "--output", target, file]
        subprocess.run(command, check=True, capture_output=True)
        return target

    loader = signed(IPXE / "snponly.efi", tmp_path / "tftp" / "snponly.efi")
    with ExitStack() as stack:
        _, port = stack.enter_context(lab.served())
        generated = lab.first_script(port, tmp_path).with_name("dnsmasq.conf")
        said = generated.read_text()
        assert TFTP in said
        generated.write_text(said.replace(TFTP, f"tftp-root={loader.parent}\n"))
        stack.enter_context(dhcp(tmp_path, generated))
        box = stack.enter_context(
            machine(
                tmp_path / "console",
                *uefi(tmp_path / "firmware", secure=True),
                wire=wire(0, BOXES["uefi"], rom=False),
                inside=INSIDE,
            )
        )
        box.shows("uefi waits, nothing is being built")
        assert lab.keepsane("build", "--machine", "uefi", "--", "true").returncode == 0
        box.shows(r"last try failed: [^:]*Secure\s+Boot\s+is\s+on\s+and\s+it\s+is\s+not\s+signed")
        assert "Secure Boot" in lab.keepsane("history", "uefi").stdout
        lab.hold(signed(own_kernel.image, tmp_path / "signed"))
        assert lab.keepsane("build", "--machine", "uefi", "--", "true").returncode == 0
        box.shows("Secure boot enabled")
        box.shows("netboot: up")


@pytest.mark.skipif(
    "IPXE_EFI" not in os.environ, reason="IPXE_EFI names no ipxe.efi that reads autoexec.ipxe"
)
def test_an_own_ipxe_starts_from_a_disk_on_uefi(lab: Lab, tmp_path: Path) -> None:
    """Debian's iPXE of 2019 reads no autoexec.ipxe."""
    boot = tmp_path / "esp" / "EFI" / "BOOT"
    boot.mkdir(parents=True)
    (boot / "BOOTX64.EFI").write_bytes(Path(os.environ["IPXE_EFI"]).read_bytes())
    with ExitStack() as stack:
        _, port = stack.enter_context(lab.served())
        script = lab.first_script(port, tmp_path)
        for folder in (boot, tmp_path / "esp"):
            (folder / "autoexec.ipxe").write_bytes(script.read_bytes())
        stack.enter_context(dhcp(tmp_path, script.with_name("dnsmasq.conf")))
        esp = f"if=none,id=esp,format=raw,file=fat:rw:{tmp_path / 'esp'}"
        disk = ("-drive", esp, "-device", "ide-hd,drive=esp,bootindex=0")
        box = stack.enter_context(
            machine(
                tmp_path / "console",
                *uefi(tmp_path / "firmware"),
                *disk,
                wire=wire(0, BOXES["uefi"], rom=False),
                inside=INSIDE,
            )
        )
        box.shows("uefi waits, nothing is being built")
        assert lab.keepsane("build", "--machine", "uefi", "--", "true").returncode == 0
        box.shows("netboot: up")

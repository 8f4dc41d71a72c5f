# SPDX-License-Identifier: GPL-2.0-or-later
"""
A network of its own: a bridge with the build machine on it, machines in QEMU, and a foreign DHCP server.

    keepsane-build    10.77.0.1 on the bridge; taps of machines, keepsane, dnsmasq from the generated file
    keepsane-dhcp     10.77.0.2, a dnsmasq that gives addresses and knows nothing of booting

Both are network namespaces, made and removed here; it takes root.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

BUILD, FOREIGN = "keepsane-build", "keepsane-dhcp"
SERVER, FOREIGN_SERVER = "10.77.0.1", "10.77.0.2"
INSIDE = ("ip", "netns", "exec", BUILD)
FIRMWARE = Path("/usr/share/OVMF")


@contextmanager
def lab_network(taps: int) -> Iterator[None]:
    """Have both namespaces, and so many taps in the first: tap0, tap1, ..."""
    try:
        for namespace in (BUILD, FOREIGN):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", BUILD, "link", "add", "lan", "type", "bridge", "forward_delay", "0")
        _ip("-n", BUILD, "address", "add", f"{SERVER}/24", "dev", "lan")
        _ip("-n", BUILD, "link", "add", "far", "type", "veth", "peer", "name", "eth0", "netns", FOREIGN)
        _ip("-n", FOREIGN, "address", "add", f"{FOREIGN_SERVER}/24", "dev", "eth0")
        _ip("-n", FOREIGN, "link", "set", "eth0", "up")
        for number in range(taps):
            _ip("-n", BUILD, "tuntap", "add", f"tap{number}", "mode", "tap")
        for link in ("far", *(f"tap{number}" for number in range(taps))):
            _ip("-n", BUILD, "link", "set", link, "master", "lan", "up")
        _ip("-n", BUILD, "link", "set", "lan", "up")
        yield
    finally:
        for namespace in (BUILD, FOREIGN):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


@contextmanager
def dhcp(folder: Path, generated: Path) -> Iterator[None]:
    """Run the foreign DHCP server, and beside it dnsmasq with the file that setup wrote."""
    foreign = folder / "foreign.conf"
    foreign.write_text("port=0\nlog-dhcp\ndhcp-range=10.77.0.100,10.77.0.199,1h\n")
    with ExitStack() as both:
        for namespace, file in ((FOREIGN, foreign), (BUILD, generated)):
            leases = f"--dhcp-leasefile={folder / namespace}.leases"
            command = [
                "ip",
                "netns",
                "exec",
                namespace,
                "dnsmasq",
                f"--conf-file={file}",
                "--no-daemon",
                leases,
            ]
            log = both.enter_context((folder / f"{namespace}.log").open("wb"))
            server = both.enter_context(
                subprocess.Popen([*command, "--user=root"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )
            both.callback(server.terminate)
        yield


def wire(number: int, mac: str, *, rom: bool) -> tuple[str, ...]:
    """Put a machine's card on a tap; with iPXE in its ROM, or without one."""
    tap = f"tap,id=n,ifname=tap{number},script=no,downscript=no"
    card = f"virtio-net-pci,netdev=n,mac={mac},id=card,bootindex=1"
    return ("-netdev", tap, "-device", card if rom else f"{card},romfile=")


def uefi(folder: Path, *, secure: bool = False) -> tuple[str, ...]:
    """Give a machine UEFI, its variables in a file of its own; `secure` enforces the snakeoil key."""
    folder.mkdir(parents=True, exist_ok=True)
    code = FIRMWARE / ("OVMF_CODE_4M.secboot.fd" if secure else "OVMF_CODE_4M.fd")
    variables = folder / "variables.fd"
    variables.write_bytes(
        (FIRMWARE / ("OVMF_VARS_4M.snakeoil.fd" if secure else "OVMF_VARS_4M.fd")).read_bytes()
    )
    return (
        *("-m", "768"),
        *("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"if=pflash,format=raw,readonly=on,file={code}"),
        *("-drive", f"if=pflash,format=raw,file={variables}"),
    )


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)

# SPDX-License-Identifier: GPL-2.0-or-later
"""
How a machine gets to the first script: from GRUB, or over the network beside a DHCP server that is there.

Source: tried with GRUB 2.06, dnsmasq 2.89, and iPXE of 2019 and 2.0. GRUB reads `&&` as its own, so the
commands lie in a script; iPXE takes a file name of a proxy only where the server's address stands beside it;
UEFI machines ask as BC_EFI.
"""

from __future__ import annotations

import ipaddress

from keepsane.errors import InputError
from keepsane.netboot.script import first_script

PORT = 8069

_GRUB = """\
# Behind `. /etc/grub.d/40_custom`, or a file in /boot/grub that grub.cfg sources.
# Copy ipxe.lkrn (Debian: package ipxe, /usr/lib/ipxe/ipxe.lkrn) and first.ipxe to /boot.
menuentry "keepsane: wait for a kernel" {{
    linux16 /boot/ipxe.lkrn
    initrd16 /boot/first.ipxe
}}
# {url} is what the script asks.
"""
_NEXT = """\
machine with GRUB 2 on a BIOS: copy {folder}/first.ipxe and iPXE's ipxe.lkrn to its /boot,
    and put the entry of {folder}/grub.cfg into its menu
machine that starts from the network: run dnsmasq with {folder}/dnsmasq.conf, once its network is put in
then, here: keepsane netboot serve --address {address}{port}
"""
_DNSMASQ = """\
# dnsmasq beside a DHCP server that is there: it gives no addresses, only what to boot.
# Put the network of the machines in place of {network}; run it with: dnsmasq --conf-file=FILE --no-daemon
port=0
dhcp-range={network},proxy
enable-tftp
tftp-root=/usr/lib/ipxe
dhcp-match=set:ipxe,175
pxe-service=tag:!ipxe,x86PC,"iPXE",undionly.kpxe
pxe-service=tag:!ipxe,BC_EFI,"iPXE",snponly.efi
pxe-service=tag:!ipxe,X86-64_EFI,"iPXE",snponly.efi
dhcp-boot=tag:ipxe,{url},,{address}
"""


def parse_address(said: str) -> tuple[str, int]:
    """Read `192.168.1.5` or `192.168.1.5:8069`. Raises InputError: iPXE may know no names."""
    host, colon, port = said.partition(":")
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        raise InputError(
            f"{said} is no IPv4 address; name the one of this machine that others reach"
        ) from None
    if not colon:
        return str(address), PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 1 << 16):
        raise InputError(f"{port} is no TCP port; there are 1 to 65535")
    return str(address), int(port)


def ways_in(address: str, port: int, tries: int) -> dict[str, str]:
    """Give the files by their names."""
    server = f"http://{address}:{port}"
    url = f"{server}/s"
    network = ipaddress.IPv4Network(f"{address}/24", strict=False).network_address
    return {
        "first.ipxe": first_script(server, tries),
        "grub.cfg": _GRUB.format(url=url),
        "dnsmasq.conf": _DNSMASQ.format(url=url, network=network, address=address),
    }


def next_steps(folder: str, address: str, port: int) -> str:
    """Say what to do with the files that lie in a folder."""
    return _NEXT.format(folder=folder, address=address, port="" if port == PORT else f" --port {port}")

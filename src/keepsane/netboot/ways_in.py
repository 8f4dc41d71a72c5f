# SPDX-License-Identifier: GPL-2.0-or-later
"""
How a machine gets to the first script: from GRUB, from a stick, or over the network beside a DHCP server.

Source: tried with GRUB 2.06, dnsmasq 2.89, and iPXE of 2019 and 2.0. GRUB reads `&&` as its own, so the
commands lie in a script; iPXE takes a file name of a proxy only where the server's address stands beside it;
UEFI machines ask as BC_EFI. iPXE's `sanboot` starts GRUB once more: the byte at 0x4f0, which the BIOS leaves
to programs and clears at a reset, tells the second start to go on without iPXE.
"""

from __future__ import annotations

import ipaddress

from keepsane.errors import InputError

PORT = 8069
IPXE_FOLDER = "/usr/lib/ipxe"
"""Where Debian's package ipxe puts ipxe.lkrn, undionly.kpxe and snponly.efi."""

_MARK = "0x4f0"
GRUB = f"""\
# For GRUB 2 on a BIOS. On the machine this is /boot/grub/custom.cfg, which its grub.cfg reads; first.ipxe
# and ipxe.lkrn (Debian: package ipxe, {IPXE_FOLDER}/ipxe.lkrn) lie in its /boot.
menuentry "keepsane: wait for a kernel" --id keepsane {{
    insmod memrw
    write_byte {_MARK} 0x6b
    if search --no-floppy --file --set=root /boot/first.ipxe; then
        set keepsane=/boot
    else
        search --no-floppy --file --set=root /first.ipxe
        set keepsane=
    fi
    linux16 $keepsane/ipxe.lkrn
    initrd16 $keepsane/first.ipxe
}}
# It starts by itself; take the rest out to choose it by hand. When iPXE gives up it starts GRUB again, which
# finds the byte that the entry has written, and takes the entry that it would take without keepsane.
insmod memrw
read_byte -v keepsane_ran {_MARK}
if [ "$keepsane_ran" = 6b ]; then
    write_byte {_MARK} 0
else
    set default=keepsane
fi
"""
STICK = f"""\
# iPXE at once. When it gives up, and the BIOS calls the stick the first disk, this goes on with the second.
insmod memrw
read_byte -v ran {_MARK}
if [ "$ran" = 6b ]; then
    write_byte {_MARK} 0
    set root=hd1
    drivemap -s hd0 hd1
    chainloader +1
    boot
fi
set timeout=0
menuentry "keepsane: wait for a kernel" {{
    write_byte {_MARK} 0x6b
    linux16 /boot/ipxe.lkrn
    initrd16 /boot/first.ipxe
}}
"""
_DNSMASQ = """\
# dnsmasq beside a DHCP server that is there: it gives no addresses, only what to boot, on BIOS and UEFI.
# {network} is a guess at the network of the machines: put it right. Run it with
#   dnsmasq --conf-file=FILE --no-daemon
# {folder} is iPXE's of Debian's package ipxe. UEFI's own HTTP boot is not served: it gives up after 5 s.
port=0
dhcp-range={network},proxy
enable-tftp
tftp-root={folder}
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


def dnsmasq_conf(address: str, port: int, tries: int) -> str:
    """Write the file for dnsmasq beside another DHCP server; `tries` as of the first script."""
    network = ipaddress.IPv4Network(f"{address}/24", strict=False).network_address
    url = f"http://{address}:{port}/s" + (f"?t={tries}" if tries else "")
    return _DNSMASQ.format(url=url, network=network, address=address, folder=IPXE_FOLDER)

# SPDX-License-Identifier: GPL-2.0-or-later
r"""
Who reaches the server, and what they get: whoever asks as a machine gets its kernel and its initrd.

    eth0  0001A8C0  00000000  0001 ... 00FFFFFF        /proc/net/route: 192.168.1.0/24, its bytes turned round
    0: 0501A8C0:1F85 00000000:0000 0A ...              /proc/net/tcp: 192.168.1.5:8069 listens

Source: net/ipv4/fib_trie.c, fib_route_seq_show(); net/ipv4/tcp_ipv4.c, get_tcp4_sock().
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from keepsane.machine.machine import Machine
from keepsane.netboot.check import Check

_LISTENING = "0A"
"""TCP_LISTEN of include/net/tcp_states.h."""
_FIREWALLS = (
    ("ufw", "ufw allow {port}/tcp"),
    ("firewall-cmd", "firewall-cmd --add-port={port}/tcp"),
    ("nft", "nft list ruleset shows whether it lets TCP port {port} in"),
)
_EVERYBODY = {str(ipaddress.IPv4Address(0)), str(ipaddress.IPv6Address(0))}


def networks_in(route: str) -> list[ipaddress.IPv4Network]:
    """Give the networks that /proc/net/route says this machine is in."""
    found = []
    for line in route.splitlines()[1:]:
        match line.split():
            case [_, to, "00000000", _, _, _, _, mask, *_] if int(mask, 16):
                length = int(mask, 16).bit_count()
                found.append(ipaddress.IPv4Network((_address(to), length), strict=False))
    return found


def addresses_in(fib_trie: str) -> list[str]:
    """Give the IPv4 addresses that /proc/net/fib_trie says are this machine's (fib_trie_seq_show())."""
    found, last = [], ""
    for line in fib_trie.splitlines():
        match line.split():
            case ["|--", address]:
                last = address
            case ["/32", "host", "LOCAL"]:
                found.append(last)
    return list(dict.fromkeys(found))


def listening_in(tcp: str, port: int) -> list[str]:
    """Give the addresses of a /proc/net/tcp, or tcp6, on which a port listens."""
    found = []
    for line in tcp.splitlines()[1:]:
        match line.split():
            case [_, own, _, state, *_] if state == _LISTENING and own.endswith(f":{port:04X}"):
                found.append(_address(own.partition(":")[0]))
    return found


def _address(digits: str) -> str:
    """Read an address as the kernel prints it: words of 4 bytes, each in the machine's own order."""
    words = (int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    packed = b"".join(words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def check_reach(
    address: str, networks: Sequence[ipaddress.IPv4Network], listening: Iterable[str]
) -> Iterator[Check]:
    """Look who can reach the address that machines ask, and where else the port listens."""
    own = ipaddress.IPv4Address(address)
    for other in sorted(set(listening) & _EVERYBODY):
        yield Check(
            False, f"the port listens on {other}, every address of this machine; serve --address {address}"
        )
    if own.is_loopback:
        return
    if own.is_global:
        yield Check(
            False, f"{address} is an address of the internet: everybody gets kernels and initrds there"
        )
        return
    around = [network for network in networks if own in network]
    if not around:
        yield Check(False, f"{address} is in no network of this machine; ip -4 addr shows those that it has")
        return
    network = max(around, key=lambda each: each.prefixlen)
    others = max(0, network.num_addresses - 3)
    yield Check(None, f"{network} reaches it: up to {others} others, and what is routed there")


def check_firewall(
    address: str, port: int, which: Callable[[str], str | None] = shutil.which
) -> Iterator[Check]:
    """Say what may stop others: what was asked from here has passed no firewall."""
    if ipaddress.IPv4Address(address).is_loopback:
        return
    for program, what in _FIREWALLS:
        if which(program):
            yield Check(
                None, f"from here it is reached; a firewall may stop machines: {what.format(port=port)}"
            )
            return


def check_trust(machine: Machine) -> Iterator[Check]:
    """Say who gets a machine's files, and whose kernel it would take."""
    name = machine.name
    if machine.secret:
        yield Check(
            True,
            f"{name}: its files are for what says its secret; whoever can read its first.ipxe can: "
            "a network start without that file gets nothing",
        )
    elif isinstance(machine.initrd, Path) and _is_private(machine.initrd):
        yield Check(
            False,
            f"{name}: its initrd {machine.initrd} is not for others to read, and whoever asks as "
            f"{', '.join(machine.mac) or 'it'} gets it; setup ADDRESS FOLDER --machine {name} --secret",
        )
    else:
        yield Check(
            None,
            f"{name}: whoever asks as {', '.join(machine.mac) or 'it'} gets its kernel and initrd; "
            f"setup ADDRESS FOLDER --machine {name} --secret stops that",
        )
    yield from _signed(machine)


def _signed(machine: Machine) -> Iterator[Check]:
    name, sign = machine.name, machine.sign
    if not sign:
        yield Check(
            None,
            f"{name}: nothing proves the server to it; with Secure Boot it needs `sign`, and takes no others",
        )
    elif missing := [word for word in ("{kernel}", "{signed}") if not any(word in each for each in sign)]:
        yield Check(
            False, f"{name}: its sign has no {missing[0]}: it cannot say which file to sign, or where to"
        )
    elif shutil.which(sign[0]) is None:
        yield Check(False, f"{name}: its sign runs {sign[0]}, which is not here; apt install sbsigntool")
    else:
        yield Check(
            True,
            f"{name}: its kernels are signed: with Secure Boot on it takes no others. Initrd and command line"
            " are signed by nobody",
        )


def _is_private(path: Path) -> bool:
    try:
        return path.stat().st_mode & 0o044 == 0
    except OSError:
        return False  # that it cannot be read is said elsewhere

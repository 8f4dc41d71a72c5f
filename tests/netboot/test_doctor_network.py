# SPDX-License-Identifier: GPL-2.0-or-later
"""Who reaches the server; sockets of this machine are the second truth."""

import socket
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from keepsane.machine.machine import Machine
from keepsane.netboot.check import Check
from keepsane.netboot.doctor_network import (
    addresses_in,
    check_firewall,
    check_reach,
    check_trust,
    listening_in,
    networks_in,
)

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
"""
NETWORKS = [IPv4Network("192.168.1.0/24"), IPv4Network("10.0.0.0/8")]
CARD = ("52:54:00:12:34:56",)


def test_networks_are_those_of_the_machine_and_no_others() -> None:
    assert networks_in(ROUTE) == NETWORKS
    assert networks_in("") == [] and networks_in("x\ny z\n") == []


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_what_listens_is_found(family: socket.AddressFamily, host: str) -> None:
    table = Path("/proc/net/tcp" if family == socket.AF_INET else "/proc/net/tcp6")
    with socket.socket(family) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip(f"there is no {host} here")
        port = server.getsockname()[1]
        assert listening_in(table.read_text(), port) == []
        server.listen()
        assert listening_in(table.read_text(), port) == [host]


@pytest.mark.parametrize(
    ("address", "listening", "said"),
    [
        ("192.168.1.5", ["192.168.1.5"], [(None, "192.168.1.0/24 reaches it: up to 253 others")]),
        ("127.0.0.1", ["127.0.0.1"], []),
        ("127.0.0.1", ["0.0.0.0"], [(False, "listens on 0.0.0.0")]),
        ("192.168.1.5", ["::"], [(False, "listens on ::"), (None, "reaches it")]),
        ("8.8.8.8", ["8.8.8.8"], [(False, "an address of the internet")]),
        ("172.16.0.1", ["172.16.0.1"], [(False, "in no network of this machine")]),
    ],
)
def test_who_reaches_it_is_said(
    address: str, listening: list[str], said: list[tuple[bool | None, str]]
) -> None:
    checks = list(check_reach(address, NETWORKS, listening))
    assert [check.ok for check in checks] == [ok for ok, _ in said]
    assert all(words in check.what for check, (_, words) in zip(checks, said, strict=True))


def test_a_firewall_that_is_here_is_named() -> None:
    here = {"nft": "/usr/sbin/nft", "ufw": "/usr/sbin/ufw"}
    (check,) = check_firewall("192.168.1.5", 8069, lambda program: here.get(program))
    assert check.ok is None and "ufw allow 8069/tcp" in check.what
    assert list(check_firewall("127.0.0.1", 8069, lambda program: here.get(program))) == []
    assert list(check_firewall("192.168.1.5", 8069, lambda program: None)) == []


def trust(**fields: object) -> list[Check]:
    return list(check_trust(Machine(name="box", mac=CARD, **fields)))  # type: ignore[arg-type]


def test_who_can_fetch_an_initrd_is_said(tmp_path: Path) -> None:
    (tmp_path / "initrd").write_bytes(b"keys")
    (tmp_path / "initrd").chmod(0o644)
    open_to_all = trust(initrd=tmp_path / "initrd")[0]
    assert open_to_all.ok is None and "whoever asks as 52:54:00:12:34:56 gets its kernel" in open_to_all.what
    (tmp_path / "initrd").chmod(0o600)
    private = trust(initrd=tmp_path / "initrd")[0]
    assert private.ok is False and "is not for others to read" in private.what
    secret = trust(initrd=tmp_path / "initrd", secret="0" * 32)[0]
    assert secret.ok is True and "0" * 32 not in secret.what


@pytest.mark.parametrize(
    ("sign", "ok", "said"),
    [
        ((), None, "nothing proves the server to it"),
        (("true", "{kernel}", "{signed}"), True, "its kernels are signed"),
        (("true", "--output={signed}"), False, "no {kernel}"),
        (("no-such-signer", "{kernel}", "{signed}"), False, "runs no-such-signer, which is not here"),
    ],
)
def test_what_proves_the_server_is_said(sign: tuple[str, ...], ok: bool | None, said: str) -> None:
    check = trust(sign=sign)[-1]
    assert check.ok is ok and said in check.what


def test_the_addresses_of_this_machine_are_read() -> None:
    trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.0\n        /24 link UNICAST\n"
    trie += "     |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n"
    assert addresses_in(trie * 2) == ["192.0.2.2"]

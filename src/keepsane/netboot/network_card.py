# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether a kernel has the driver of a machine's network card: iPXE needs none of it, the kernel does.

    00:1f.6 Ethernet controller [0200]: Intel Corporation Ethernet Connection I219-LM [8086:15bb]
            Kernel modules: e1000e
    pci:v00008086d000015BBsv000017AAsd0000225Dbc02sc00i00

The first is `lspci -nnk` of the machine, the second its /sys/class/net/*/device/modalias. Source: pciutils'
lspci(8); the kernel's drivers/net/ethernet, each driver's Makefile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.machine.machine import Machine
from keepsane.netboot.check import Check

_SLOT = re.compile(r"(?m)^(?=[0-9a-f:.]{7,12} )")
_CARD = re.compile(r"[0-9a-f:.]{7,12} [^\[\n]{1,80}\[0200\]: (?P<name>[^\n]{1,200})")
_ID = re.compile(r"\[(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})\]")
_MODULES = re.compile(r"(?m)^\tKernel modules: (?P<modules>[\w, -]{1,200})$")
_DRIVER = re.compile(r"(?m)^\tKernel driver in use: (?P<driver>[\w-]{1,60})$")
_MODALIAS = re.compile(r"(?m)^(?P<ids>pci:v[0-9A-F]{8}d[0-9A-F]{8})sv[0-9A-F]{8}sd[0-9A-F]{8}bc02sc00i")
_VIRTIO = "1af4"
_NEEDS_NETWORK = re.compile(r"(?:^|\s)(?:ip=|nfsroot=|netconsole=|root=/dev/nfs)")
_OPTIONS = {
    "8139too": "8139TOO",
    "alx": "ALX",
    "atlantic": "AQTION",
    "bnx2": "BNX2",
    "bnx2x": "BNX2X",
    "bnxt_en": "BNXT",
    "e100": "E100",
    "e1000": "E1000",
    "e1000e": "E1000E",
    "forcedeth": "FORCEDETH",
    "i40e": "I40E",
    "ice": "ICE",
    "igb": "IGB",
    "igc": "IGC",
    "ixgbe": "IXGBE",
    "jme": "JME",
    "mlx4_core": "MLX4_EN",
    "mlx5_core": "MLX5_CORE_EN",
    "r8169": "R8169",
    "sky2": "SKY2",
    "tg3": "TIGON3",
    "virtio_net": "VIRTIO_NET",
    "vmxnet3": "VMXNET3",
}
"""The option of .config that builds a module."""


class Card(NamedTuple):
    """A network card: what it is called, and the module that drives it, None where nothing says it."""

    name: str
    module: str | None


def cards_in(text: str, aliases: str = "") -> list[Card]:
    """Give the network cards that `lspci -nnk` or modalias files show; `aliases` is a modules.alias."""
    return [*_of_lspci(text), *_of_modalias(text, aliases)]


def _of_lspci(text: str) -> Iterator[Card]:
    for device in _SLOT.split(text):
        card = _CARD.match(device)
        if card is None:
            continue
        ids, modules, driver = _ID.search(card["name"]), _MODULES.search(device), _DRIVER.search(device)
        if ids is not None and ids["vendor"] == _VIRTIO:
            module: str | None = "virtio_net"
        else:
            module = (
                modules["modules"].split(",")[0].strip() if modules else driver["driver"] if driver else None
            )
        yield Card(card["name"], module)


def _of_modalias(text: str, aliases: str) -> Iterator[Card]:
    for found in _MODALIAS.finditer(text):
        ids = found["ids"]
        if ids.startswith(f"pci:v0000{_VIRTIO.upper()}"):
            yield Card(ids, "virtio_net")
            continue
        alias = next((line for line in aliases.splitlines() if line.startswith(f"alias {ids}")), None)
        yield Card(ids, alias.split()[-1] if alias else None)


def check_cards(machine: Machine, config: str | None, cards: list[Card] | None) -> Iterator[Check]:
    """Look whether the kernel has their drivers; None for cards where nobody says which there are."""
    name = machine.name
    needs = _NEEDS_NETWORK.search(machine.command_line) is not None
    if cards is None:
        if needs and config is not None:
            yield Check(
                None,
                f"{name}: its kernel needs the driver of its network card; doctor --machine {name} --devices "
                "FILE, with what lspci -nnk says there, looks for it",
            )
        return
    if not cards:
        yield Check(
            False, f"{name}: no network card is in what --devices names; give it what lspci -nnk says there"
        )
    for card in cards if config is not None else ():
        yield _check_card(name, card, config or "", needs=needs)


def _check_card(name: str, card: Card, config: str, *, needs: bool) -> Check:
    option = _OPTIONS.get(card.module or "")
    if option is None:
        driver = card.module or "it"
        return Check(None, f"{name}: which option drives {card.name} is not known here: see {driver}")
    lines = config.splitlines()
    if f"CONFIG_{option}=y" in lines:
        return Check(True, f"{name}: its kernel has CONFIG_{option}=y for {card.name}")
    if f"CONFIG_{option}=m" in lines:
        return Check(None, f"{name}: CONFIG_{option}=m, for {card.name}: it comes with the modules alone")
    return Check(False if needs else None, f"{name}: its kernel has no CONFIG_{option}, for {card.name}")

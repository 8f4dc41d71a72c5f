# SPDX-License-Identifier: GPL-2.0-or-later
"""
PCI Express advanced error reporting: a link or a device saw a bad transfer.

    pcieport 0000:00:1c.0: AER: Corrected error received: 0000:03:00.0
    pcieport 0000:00:1c.0: AER: Correctable error message received from 0000:03:00.0          6.15
    nvme 0000:03:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)
    nvme 0000:03:00.0:   device [8086:a110] error status/mask=00000001/00002000
    nvme 0000:03:00.0:    [ 0] RxErr                  (First)

Source: drivers/pci/pcie/aer.c, aer_print_port_info() and aer_print_error().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.groups import Hex
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PcieAer(Event):
    """
    A PCI Express error.

    `port` is who reported, `device` who sent the error, `severity` and `layer` are the kernel's words,
    `status` and `mask` the registers and `errors` the names of the bits set.
    """

    port: str | None = None
    device: str | None = None
    severity: str | None = None
    layer: str | None = None
    status: Hex | None = None
    mask: Hex | None = None
    errors: tuple[str, ...] = ()


_ADDRESS = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_NAMED = r"(?:[\w.-]{1,32} )?"
RECEIVED = re.compile(
    _NAMED + rf"(?P<port>{_ADDRESS}): (?:AER: )?(?:Multiple )?"
    r"(?P<severity>Corrected|Correctable|Uncorrect(?:ed|able) \((?:Non-)?Fatal\)) error"
    r"(?: message)? received(?:(?: from|:) (?:id=)?(?P<device>" + _ADDRESS + r"))?"
)
ERROR = re.compile(
    _NAMED + rf"(?P<device>{_ADDRESS}): (?:AER: )?PCIe Bus Error: "
    r"severity=(?P<severity>[\w ()-]{1,40}), type=(?P<layer>[\w ]{1,40}?)(?:,|$)"
)
_STATUS = re.compile(r".{0,80}error status/mask=(?P<status>[0-9a-f]{1,8})/(?P<mask>[0-9a-f]{1,8})")
_BIT = re.compile(_NAMED + _ADDRESS + r": (?:AER: )?\s{0,8}\[ ?\d{1,2}\] (?P<name>\w{1,40})")
_OWN = re.compile(
    _BIT.pattern + r"|.{0,60}?(?:PCIe Bus Error: |error status/mask=|TLP Header: |  Header: |AER: {1,8}"
    r"(?:Error of this Agent|can't|device recovery|Device recovery|broadcast|aer_|found no))"
)


def parse_aer(block: Block) -> PcieAer | None:
    """
    Read one PCI Express error.

    Accepted format:
        pcieport 0000:00:1c.0: AER: Corrected error received: 0000:03:00.0
    """
    said, error = block.find(RECEIVED), block.find(ERROR)
    severity, device = (said or block.head)["severity"], (error or block.head)["device"]
    where = device or (said["port"] if said else None)
    return build(
        PcieAer,
        block,
        "pcie-aer",
        f"PCIe {severity.lower()} error" + (f" of {where}" if where else ""),
        *(said, error, block.find(_STATUS)),
        damage="",
        device=device,
        severity=severity,
        errors=tuple(found["name"] for found in block.find_all(_BIT)),
    )


OPENINGS = (
    Opening("aer", RECEIVED, parse_aer, rank=0, own=_OWN),
    Opening("aer-error", ERROR, parse_aer, rank=0, own=_OWN, detail_of=frozenset({"aer"})),
)

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
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.groups import Hex
from keepsane.kernel.log.quote import quote_head, quote_match, some
from keepsane.model import Event
from keepsane.report import Advice, Finding


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


_BITS = {
    "RxErr": "the receiver saw a bad signal",
    "BadTLP": "a packet arrived damaged",
    "BadDLLP": "a control packet of the link arrived damaged",
    "Rollover": "a packet had to be sent again four times",
    "Timeout": "an acknowledgement did not come in time",
    "NonFatalErr": "the device handled an error by itself",
    "CmpltTO": "a request got no answer in time",
    "CmpltAbrt": "the device refused to answer a request",
    "UnxCmplt": "an answer came that nobody waits for",
    "UnsupReq": "a request came that the device does not know",
    "MalfTLP": "a packet came that breaks the rules",
    "ECRC": "a packet's end-to-end checksum is wrong",
    "DLP": "the link's own protocol was broken",
    "SDES": "the link went down by surprise",
    "TLP": "a poisoned packet came",
    "FCP": "the link's flow control was broken",
    "RxOF": "the receiver had no room",
    "ACSViol": "an access control rule was broken",
}
"""Bits of the status registers as the kernel names them: drivers/pci/pcie/aer.c."""
_SIGNAL = frozenset({"RxErr", "BadTLP", "BadDLLP", "Rollover", "Timeout"})


@rule("pcie-error-in-words", on=PcieAer)
def pcie_error_in_words(event: PcieAer) -> Iterator[Finding]:
    """
    A PCI Express device reported a bad transfer; its status bits say what was bad.

    What it means: a corrected error was repaired by the link itself, by sending again: nothing is lost, and
    many of them cost speed and fill the log. Those of the signal (RxErr, BadTLP, BadDLLP, Timeout) come of
    contacts, cables, risers, power saving or a slot that is faster than it can be. An uncorrected error lost
    a transfer; a fatal one resets the link.

    How we know: the kernel prints the severity, the layer and the bits of the status register by name.

    What to do: seat the device anew, try another slot or cable, update the firmware; for signal errors try
    `pcie_aspm=off` or a lower link speed in the firmware's setup. Do not switch AER off to hide them.

    When it is wrong: an unsupported request may come from software that reads a device which is asleep.
    """
    corrected = (event.severity or "").lower().startswith("correct")
    words = [_BITS.get(name) for name in event.errors]
    known = [word for word in words if word]
    signal = bool(_SIGNAL.intersection(event.errors))
    device = event.device or event.port or "the link"
    yield Finding(
        severity="note" if corrected else "error",
        confidence="high",
        title=f"{device}: "
        + ("; ".join(known or event.errors) or "the status bits are not in this log")
        + (", repaired by the link itself" if corrected else ""),
        evidence=some(quote_head(event), quote_match(event, _STATUS, "the status"), quote_match(event, _BIT)),
        explanation="Nothing was lost: the link sent again. Many of these announce a bad contact or slot."
        if corrected
        else "A transfer was lost: the driver has to begin anew, or the device is gone.",
        advice=(Advice(text=_SEAT if signal else f"see what the driver of {device} said next"),),
        references=("Documentation/PCI/pcieaer-howto.rst",),
    )


_SEAT = "seat the device anew or try another slot; try once with pcie_aspm=off on the kernel's command line"

# SPDX-License-Identifier: GPL-2.0-or-later
"""
Machine checks: the processor or the firmware reports an error of the hardware.

    mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 4: be00000000800400
    mce: [Hardware Error]: Machine check events logged
    [Hardware Error]: Corrected error, no action required.
    {1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0
    HARDWARE ERROR                                                                    up to 2.6.32

Source: arch/x86/kernel/cpu/mce/core.c, __print_mce(); drivers/edac/mce_amd.c, amd_decode_mce();
drivers/acpi/apei/ghes.c, __ghes_print_estatus().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.groups import Hex, task_of
from keepsane.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Mce(Event):
    """
    An error the hardware reported about itself.

    `status` is the value of the bank's status register, `bank` the bank; `address` what the access was to.
    """

    bank: int | None = None
    status: Hex | None = None
    address: Hex | None = None


HEAD = re.compile(r"(?:mce: )?(?:\{\d{1,10}\})?(?:\[Hardware Error\]: \S|HARDWARE ERROR)")
_CHECK = re.compile(
    r".{0,80}?CPU:? ?(?P<cpu>\d{1,5}):? .{0,40}?Machine Check(?: Exception)?: {1,40}+[0-9a-f]{1,16} Bank "
    r"(?P<bank>\d{1,3}): (?P<status>[0-9a-f]{1,16})"
)
_AMD = re.compile(
    r".{0,40}?CPU:(?P<cpu>\d{1,5}) \([0-9a-f:]{1,12}\) MC(?P<bank>\d{1,3})_STATUS\[[^\]]{0,80}\]: 0x"
    r"(?P<status>[0-9a-f]{1,16})"
)
_ADDRESS = re.compile(
    r".{0,120}?\b(?:ADDR|Error Addr: 0x|MC\d{1,20}_ADDR: 0x"
    r"|physical_address: 0x)\s?(?P<address>[0-9a-f]{4,16})"
)


def parse_mce(block: Block) -> Mce | None:
    """
    Read the lines of one hardware error.

    Accepted format:
        mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 4: be00000000800400
    """
    check = block.find(_CHECK) or block.find(_AMD)
    title = f"machine check in bank {check['bank']}" if check else "hardware error"
    return build(Mce, block, "mce", title, check, block.find(_ADDRESS), damage="", task=task_of(check))


_OWN = re.compile(
    HEAD.pattern + r"|CPU \d{1,5}: Machine Check Exception: |TSC [0-9a-f]{1,16}\b|PROCESSOR \d{1,3}:"
    r"|This is not a software problem|No human readable MCE decoding|Run through mcelog"
)
OPENINGS = (Opening("mce", HEAD, parse_mce, rank=0, own=_OWN, detail_of=frozenset({"mce"})),)

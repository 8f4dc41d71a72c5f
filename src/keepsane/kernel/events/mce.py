# SPDX-License-Identifier: GPL-2.0-or-later
"""
Machine checks: the processor or the firmware reports an error of the hardware.

    mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 4: be00000000800400
    mce: [Hardware Error]: Machine check events logged
    [Hardware Error]: Corrected error, no action required.
    {1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0
    HARDWARE ERROR                                                                    up to 2.6.32
    CPU 0: Machine Check Exception: 4 Bank 4: b200000000070f0f                        up to 2.6.32
    CPU 0: Machine Check Exception: 0000000000000004                                  32 bits, banks below
    EDAC sbridge MC1: CPU 1: Machine Check Event: 0 Bank 11: 8c00004f000800c2
    EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Channel#1_DIMM#0 (channel:1 slot:0 page:0x1f offset:0x0)

Each line with a CPU and a bank is a report of its own, with the lines below it.

Source: arch/x86/kernel/cpu/mce/core.c, __print_mce(); drivers/edac/mce_amd.c, amd_decode_mce();
drivers/edac/edac_mc.c, edac_ce_error() and edac_ue_error(); drivers/edac/sb_edac.c,
sbridge_mce_check_error(); drivers/acpi/apei/ghes.c, __ghes_print_estatus().
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

    `status` is the value of the bank's status register and `status_means` its flags in words, `bank` the
    bank; `address` what the access was to. `module` is where in the machine the memory is, by the driver of
    its memory controller; `corrected` is False where the data is lost.
    """

    bank: int | None = None
    status: Hex | None = None
    status_means: str | None = None
    address: Hex | None = None
    module: str | None = None
    corrected: bool | None = None


HEAD = re.compile(
    r"(?:mce: )?(?:\{\d{1,10}\})?(?:\[Hardware Error\]: \S|HARDWARE ERROR)"
    r"|CPU \d{1,5}: Machine Check Exception: {1,40}+[0-9a-f]"
)
_BANK = re.compile(r"Bank (?P<bank>\d{1,3}): (?P<status>[0-9a-f]{16})\b")
_CHECK = re.compile(
    r".{0,80}?CPU:? ?(?P<cpu>\d{1,5}):? .{0,40}?Machine Check(?: Exception| Event)?: {1,40}+"
    r"[0-9a-f]{1,16} Bank "
    r"(?P<bank>\d{1,3}): (?P<status>[0-9a-f]{1,16})"
)
_AMD = re.compile(
    r".{0,40}?CPU:(?P<cpu>\d{1,5}) \([0-9a-f:]{1,12}\) MC(?P<bank>\d{1,3})_STATUS\[[^\]]{0,80}\]: 0x"
    r"(?P<status>[0-9a-f]{1,16})"
)
_MEMORY = re.compile(
    r"EDAC MC\d{1,3}: \d{1,10} (?P<verdict>[CU]E) (?P<what>.{0,120}?)\bon (?P<module>\S.{0,120}?) \("
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
    check = block.find(_CHECK) or block.find(_AMD) or block.find(_BANK)
    memory = block.find(_MEMORY)
    title = f"machine check in bank {check['bank']}" if check else "hardware error"
    if memory is not None:
        title = f"{_VERDICTS[memory['verdict']]} memory error on {memory['module']}"
    return build(
        Mce,
        block,
        "mce",
        title,
        check,
        block.find(_ADDRESS),
        memory,
        damage="",
        task=task_of(check),
        status_means=_status_words(int(check["status"], 16)) if check else None,
        corrected=memory["verdict"] == "CE" if memory else None,
    )


_VERDICTS = {"CE": "corrected", "UE": "uncorrected"}
_UNCORRECTED = 61
_FLAGS = (
    (_UNCORRECTED, "uncorrected (UC)"),
    (57, "processor context corrupt (PCC)"),
    (62, "an earlier error was overwritten (OVER)"),
)
_VALID = 63


def _status_words(status: int) -> str | None:
    """
    Say the flags of IA32_MCi_STATUS, which AMD has in the same places; None where the register is not valid.

    Source: arch/x86/include/asm/mce.h, MCI_STATUS_VAL to MCI_STATUS_PCC.
    """
    if not status >> _VALID & 1:
        return None
    said = [words for bit, words in _FLAGS if status >> bit & 1]
    return ", ".join(said if status >> _UNCORRECTED & 1 else ["corrected or deferred (no UC)", *said])


_OWN = re.compile(
    HEAD.pattern + r"|Bank \d{1,3}: [0-9a-f]{16}|TSC [0-9a-f]{1,16}\b|PROCESSOR \d{1,3}:"
    r"|EDAC (?:\w{1,32} )?MC\d{1,3}: "
    r"|This is not a software problem|No human readable MCE decoding|Run through mcelog"
)
_IN_CHECK = frozenset({"mce", "mce-check", "memory-error"})
OPENINGS = (
    Opening("mce-check", _CHECK, parse_mce, rank=-1, own=_OWN),
    Opening("mce-check", _AMD, parse_mce, rank=-1, own=_OWN),
    Opening("memory-error", _MEMORY, parse_mce, rank=0, own=_OWN, detail_of=_IN_CHECK - {"memory-error"}),
    Opening("mce", HEAD, parse_mce, rank=0, own=_OWN, detail_of=_IN_CHECK),
)

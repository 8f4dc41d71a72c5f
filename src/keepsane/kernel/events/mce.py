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
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import rule
from keepsane.kernel.log.block import Block, Opening, build
from keepsane.kernel.log.groups import Hex, task_of
from keepsane.kernel.log.quote import matched, quote_head, quote_match, some
from keepsane.model import Event
from keepsane.report import Advice, Evidence, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Mce(Event):
    """
    An error the hardware reported about itself.

    `status` is the value of the bank's status register and `status_means` its flags in words, `bank` the
    bank; `address` what the access was to. `module` is where in the machine the memory is, by the driver of
    its memory controller; `corrected` is False where the data is lost. `vendor` is `AMD` where the banks
    are AMD's or Hygon's, whose codes are their own.
    """

    bank: int | None = None
    status: Hex | None = None
    status_means: str | None = None
    address: Hex | None = None
    module: str | None = None
    vendor: str | None = None
    corrected: bool | None = None


HEAD = re.compile(
    r"(?:mce: )?(?:\{\d{1,10}\})?(?:\[Hardware Error\]: {1,16}+\S|HARDWARE ERROR)"
    r"|CPU \d{1,5}: Machine Check Exception: {1,40}+[0-9a-f]"
    r"|MCE: The hardware reports a non fatal, correctable incident occurred on CPU (?P<cpu>\d{1,5})"
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


_BY_AMD = re.compile(r"\bPROCESSOR [29]:|\b(?:IPID|SYND):? |\bMC\d{1,3}_STATUS\[|\bIPID: 0x")
"""The vendor's number (asm/processor.h, X86_VENDOR_AMD and _HYGON), registers and words that only AMD has."""


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
        task=task_of(check) or task_of(block.head),
        status_means=_status_words(int(check["status"], 16)) if check else None,
        corrected=memory["verdict"] == "CE" if memory else None,
        vendor="AMD" if any(_BY_AMD.search(record.text) for record in block.records) else None,
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


_ASK = Advice(
    text="see what rasdaemon counted, by DIMM and by processor",
    command="sudo ras-mc-ctl --summary",
    undo="nothing is changed",
    verify="it lists errors of memory, PCIe and machine checks, if rasdaemon was running",
)
_SIMPLE_CODES = {
    0x0001: "an unclassified error",
    0x0002: "a parity error of the microcode ROM",
    0x0003: "an error that something outside of the processor signalled",
    0x0005: "an internal parity error",
    0x0400: "an internal timer that ran out: the processor got no answer for too long",
    0x0E0B: "an error of input and output",
}
_LEVELS = ("level 0", "level 1", "level 2", "an unspecified level")
_SECTION = re.compile(r".{0,60}?section_type: (?P<type>[\w /-]{1,60})")
_SEVERITY = re.compile(r".{0,60}?event severity: (?P<severity>[\w ]{1,30})")


def _code_words(status: int) -> str:
    """
    Say the architectural error code, the low 16 bits, as Intel defines it.

    Source: Intel SDM volume 3B, "Compound Error Codes".
    """
    code = status & 0xFFFF & ~(1 << 12)  # bit 12: corrected errors are filtered
    if code in _SIMPLE_CODES:
        return _SIMPLE_CODES[code]
    if code & 0xFFF0 == 0x0010:
        return f"an error of the TLB, {_LEVELS[code & 3]}"
    if code & 0xFF80 == 0x0080:
        return "an error of the memory controller" + (f", channel {code & 15}" if code & 15 != 15 else "")
    if code & 0xFF00 == 0x0100:
        return f"an error of a cache, {_LEVELS[code & 3]}"
    if code & 0xF800 == 0x0800:
        return "an error of the bus or interconnect" + (": a memory access" if code >> 2 & 3 == 0 else "")
    return f"an error with the code {code:#06x}"


@rule("machine-check-in-words", on=Mce)
def machine_check_in_words(event: Mce) -> Iterator[Finding]:
    """
    The hardware reported an error of its own; its registers say of which part, and whether it was corrected.

    What it means: no program did this. A corrected error costs nothing, and many of them announce a part that
    fails. An uncorrected one lost data; with PCC the processor's own state is not to be trusted, and the
    kernel stops.

    How we know: the status register of the bank has flags (UC, PCC, OVER) and an error code of 16 bits, which
    are decoded here for Intel; AMD's codes are not. The address is that of the memory access.

    What to do: for memory find the DIMM (`ras-mc-ctl`, or the board's event log) and change it; for caches,
    TLBs and internal errors the processor, its voltage and its cooling; for the bus also what is plugged in.
    Update the firmware and the microcode first.

    When it is wrong: banks and the upper bits of the code are different on each model: the vendor's decoder
    (mce_amd, mcelog) says more. Overclocking and a weak power supply look like broken parts.
    """
    if event.status is None:
        yield from _without_registers(event)
        return
    uncorrected = bool(event.status >> _UNCORRECTED & 1)
    where = f" (address {event.address:#x})" if event.address is not None else ""
    cpu = f", CPU {event.task.cpu}" if event.task is not None and event.task.cpu is not None else ""
    valid = event.status >> _VALID & 1
    why = _AMD_WHY if event.vendor else ""
    code = (
        f"the code {event.status & 0xFFFF:#06x} is not decoded" if event.vendor else _code_words(event.status)
    )
    yield Finding(
        severity="error" if uncorrected else "note",
        confidence="high" if valid else "low",
        title=f"{'un' if uncorrected else ''}corrected: {code}{where}{cpu}",
        evidence=some(_registers(event) or quote_head(event, "the bank and its status")),
        explanation=f"The status says: {event.status_means or 'nothing valid'}.{why}",
        advice=(_ASK,),
        references=("Documentation/admin-guide/ras.rst",),
    )


_AMD_WHY = (
    " The code is not decoded, because on AMD each bank has codes of its own, by the unit it belongs to:"
    " edac_mce_amd or rasdaemon on this machine says them."
)


def _registers(event: Mce) -> Evidence | None:
    """Quote the line that has the bank and its status."""
    return quote_match(event, _CHECK) or quote_match(event, _AMD) or quote_match(event, _BANK)


def _without_registers(event: Mce) -> Iterator[Finding]:
    """Say what a report without a bank's registers holds: firmware's words, or only that it was."""
    if event.module is not None:
        yield _of_module(event, event.module)
        return
    section = matched(event, _SECTION)
    severity = matched(event, _SEVERITY)
    kind = section["type"].strip() if section else None
    how = severity["severity"].strip() if severity else None
    said = " ".join(filter(None, [how, kind])) or "an event was logged; what it was is not in this log"
    yield Finding(
        severity="error" if how and how.startswith(("fatal", "recoverable")) else "note",
        confidence="high",
        title=f"the hardware reports: {said}",
        evidence=some(quote_head(event), quote_match(event, _SECTION), quote_match(event, _SEVERITY)),
        explanation="No program did this. The details are with rasdaemon or in the firmware's event log.",
        advice=(_ASK,),
        references=("Documentation/admin-guide/ras.rst",),
    )


def _of_module(event: Mce, module: str) -> Finding:
    lost = event.corrected is False
    return Finding(
        severity="error" if lost else "note",
        confidence="high",
        title=f"the memory module is {module}; its data {'is lost' if lost else 'could be corrected'}",
        evidence=some(quote_match(event, _MEMORY, "the memory controller's driver")),
        explanation="The name is that of the controller, channel and slot; the manual has the socket.",
        advice=(_ASK,),
        references=("Documentation/admin-guide/ras.rst",),
    )

# SPDX-License-Identifier: GPL-2.0-or-later
"""
The machines whose `Code:` lines can be decoded, and how long their instructions are.

A machine is known by its name (kernel/log/architecture.py) and by the size of the words that its kernel
prints. s390 prints `Krnl Code:` decoded, only the operands are read here; loongarch is unknown to capstone 5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keepsane.errors import MissingExtraError


class Machine(NamedTuple):
    """
    One set of instructions: capstone's names for it, and the length of an instruction.

    `relative` is True where capstone writes the target of a jump as a distance, `big_endian` where the log
    has the bytes as memory holds them and the high one comes first.
    """

    arch: str
    modes: tuple[str, ...]
    unit_bytes: int
    longest_bytes: int
    relative: bool = False
    big_endian: bool = False

    @property
    def varies(self) -> bool:
        """Say whether instructions differ in length, so that a line may begin in the middle of one."""
        return self.longest_bytes > self.unit_bytes


# Words are kept with the low byte first whatever the machine does (kernel/log/code.py).
_MIPS = Machine("CS_ARCH_MIPS", ("CS_MODE_MIPS64",), 4, 4)
_PPC = Machine("CS_ARCH_PPC", ("CS_MODE_64",), 4, 4)
MACHINES = {
    ("x86_64", 1): Machine("CS_ARCH_X86", ("CS_MODE_64",), 1, 15),
    ("i386", 1): Machine("CS_ARCH_X86", ("CS_MODE_32",), 1, 15),
    ("arm64", 4): Machine("CS_ARCH_ARM64", (), 4, 4),
    ("arm", 4): Machine("CS_ARCH_ARM", ("CS_MODE_ARM",), 4, 4),
    ("arm", 2): Machine("CS_ARCH_ARM", ("CS_MODE_THUMB",), 2, 4),
    ("mips", 4): _MIPS,
    ("ppc", 4): _PPC,
    ("ppc64", 4): _PPC,
    ("s390", 2): Machine("CS_ARCH_SYSZ", (), 2, 6, big_endian=True),
    ("riscv", 2): Machine("CS_ARCH_RISCV", ("CS_MODE_RISCV64", "CS_MODE_RISCVC"), 2, 4, relative=True),
}
"""By the name of the machine and the bytes of a printed word: arm prints half words in Thumb mode."""


UNDECODED = frozenset({"loongarch"})
"""Machines whose kernel prints code that capstone 5 does not decode."""


def open_machine(machine: Machine) -> Any:
    """Open capstone for a machine, with details; raises MissingExtraError where it is not installed."""
    try:
        import capstone
    except ImportError:
        raise MissingExtraError(
            "capstone is not installed, so Code: lines cannot be disassembled; install it with: "
            "pip install 'keepsane[symbols]'"
        ) from None
    mode = capstone.CS_MODE_BIG_ENDIAN if machine.big_endian else capstone.CS_MODE_LITTLE_ENDIAN
    for name in machine.modes:
        mode |= getattr(capstone, name)
    decoder = capstone.Cs(getattr(capstone, machine.arch), mode)
    if machine.arch == "CS_ARCH_X86":
        decoder.syntax = capstone.CS_OPT_SYNTAX_ATT  # as the kernel's own sources and objdump have it
    decoder.detail = True
    return decoder

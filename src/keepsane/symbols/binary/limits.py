# SPDX-License-Identifier: GPL-2.0-or-later
"""
How much of a binary is taken in, in one place: a file from a stranger may claim anything.

Each is several times what the largest kernels have (a vmlinux with every driver built in, amdgpu.ko).
"""

from __future__ import annotations

MAX_UNPACKED_BYTES = 1 << 30
"""A compressed vmlinux, unpacked."""

MAX_UNPACKED_MODULE_BYTES = 512 << 20
"""A compressed module, unpacked."""

MAX_UNPACKED_TOTAL_BYTES = 3 << 29
"""All that one run unpacks, what it throws away again included."""

LEFT_FREE_BYTES = 256 << 20
"""What unpacking leaves free on the disk."""

MAX_SECTIONS = 0xFF00
MAX_SECTION_NAMES_BYTES = 1 << 24
MAX_NAME_BYTES = 1024
"""A name of a section or symbol; kallsyms cuts its names at 512 (include/linux/kallsyms.h)."""

MAX_NOTE_BYTES = 1 << 24
MAX_BUILD_ID_BYTES = 64
MAX_ALIGN_BYTES = 1 << 20

MAX_SECTION_BYTES = 256 << 20
"""One section that is read as a whole."""

MAX_SYMTAB_BYTES = 48 << 20
"""Two million symbols; the largest kernels have a few hundred thousand."""

MAX_STRTAB_BYTES = 96 << 20

MAX_LOADED_BYTES = 512 << 20
"""The sections of a module that are loaded, those without bytes in the file too."""

MAX_LOADED_KERNEL_BYTES = 1 << 30
"""The sections of a vmlinux that are loaded and have bytes in the file."""

MAX_DEBUG_BYTES = 4 << 30
"""Compressed debug sections, unpacked: libdw takes their own word for it, and that much memory."""

MAX_UNITS = 100_000
"""Compilation units of a vmlinux; one with everything built in has some thirty thousand."""

MAX_MODULE_UNITS = 20_000

# SPDX-License-Identifier: GPL-2.0-or-later
"""ELF files: sections, symbols, DWARF, where they are found, what is kept of them."""

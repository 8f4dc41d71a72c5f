# SPDX-License-Identifier: GPL-2.0-or-later
"""How tools, loggers, consoles and pages dress the kernel's lines: learnt from the lines, and taken off."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the code calls: sites, jumps, pointers, tables."""

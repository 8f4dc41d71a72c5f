# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory report that show_mem() prints, alone or inside another report."""

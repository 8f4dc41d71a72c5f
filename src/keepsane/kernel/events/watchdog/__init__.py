# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs that no longer schedule, or take no interrupts."""

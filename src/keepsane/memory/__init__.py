# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc and /sys as facts: what a machine's memory looked like, once or over a time."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a binary is the one that wrote the log."""

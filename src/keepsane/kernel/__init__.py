# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel log: text in, events out."""

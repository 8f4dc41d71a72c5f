# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses to functions, source lines, bytes and calls."""

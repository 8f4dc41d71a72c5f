# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses to functions, lines and source text."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""Panics, and what their own words say."""

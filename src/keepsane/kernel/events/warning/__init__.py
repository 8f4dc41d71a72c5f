# SPDX-License-Identifier: GPL-2.0-or-later
"""Conditions that the code calls impossible."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of days in one SQLite file."""

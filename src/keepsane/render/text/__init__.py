# SPDX-License-Identifier: GPL-2.0-or-later
"""A report as text."""

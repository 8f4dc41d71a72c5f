# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of /proc and /sys as a capture: what is taken, and how it is read."""

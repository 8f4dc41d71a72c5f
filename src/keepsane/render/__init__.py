# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports as text and JSON: functions from values to strings."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of /proc and /sys to values, one file each."""

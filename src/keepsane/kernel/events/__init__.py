# SPDX-License-Identifier: GPL-2.0-or-later
"""One kind of report a file: its event, its patterns, its parse function, and its rules if they are few."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of `keepsane netboot`, one file each; words.py lists them."""

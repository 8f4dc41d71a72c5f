# SPDX-License-Identifier: GPL-2.0-or-later
"""The arithmetic of pages: gfp masks, zones, watermarks; it knows no log and no /proc."""

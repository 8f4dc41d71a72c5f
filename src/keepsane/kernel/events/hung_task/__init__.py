# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks that waited too long."""

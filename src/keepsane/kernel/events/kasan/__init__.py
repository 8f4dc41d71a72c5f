# SPDX-License-Identifier: GPL-2.0-or-later
"""What the address sanitizer saw."""

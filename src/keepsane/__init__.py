# SPDX-License-Identifier: GPL-2.0-or-later
"""keepsane: what happened, how we know, what to do, and what it is not."""

__version__ = "0.1.0"

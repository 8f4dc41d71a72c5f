# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions, and what the running kernel patches."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""What a pointer was that the kernel followed in vain: NULL, an error, text, poison."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sanitizer of undefined behaviour reports (lib/ubsan.c), and what the values say."""

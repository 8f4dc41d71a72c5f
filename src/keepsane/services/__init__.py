# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds a socket, or joins rooms that do not know each other."""

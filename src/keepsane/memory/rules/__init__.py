# SPDX-License-Identifier: GPL-2.0-or-later
"""What is judged of a machine's memory."""

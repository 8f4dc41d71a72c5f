# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes to records, records to blocks: what every report prints in the same way."""

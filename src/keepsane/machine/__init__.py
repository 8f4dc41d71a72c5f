# SPDX-License-Identifier: GPL-2.0-or-later
"""The test machines that are known: one TOML file each."""

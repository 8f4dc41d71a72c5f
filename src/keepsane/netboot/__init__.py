# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels for a machine that waits at iPXE: what is kept of a build, who gets it, and the scripts."""

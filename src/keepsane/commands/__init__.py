# SPDX-License-Identifier: GPL-2.0-or-later
"""One file per verb: read, call the api, render, return an exit code."""

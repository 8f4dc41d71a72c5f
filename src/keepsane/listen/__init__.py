# SPDX-License-Identifier: GPL-2.0-or-later
"""One small HTTP server for machines at power-on: lenient in what it reads, rigid in what it writes."""

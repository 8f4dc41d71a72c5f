# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing is timed here, on a busy machine least of all."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

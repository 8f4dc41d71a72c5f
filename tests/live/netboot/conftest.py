# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels of the lab, without the logs of their crashes: what is netbooted here says enough itself."""

from __future__ import annotations

import pytest

from tests.live.guests import Guest, read_kernels


@pytest.fixture(scope="session")
def guests() -> tuple[Guest, ...]:
    return read_kernels()

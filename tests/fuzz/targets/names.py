# SPDX-License-Identifier: GPL-2.0-or-later
"""The targets by the names that bench/fuzz and the folders of seeds have."""

from __future__ import annotations

from tests.fuzz.targets.cache import CACHE
from tests.fuzz.targets.capture import CAPTURE
from tests.fuzz.targets.ko import KO
from tests.fuzz.targets.log import LOG
from tests.fuzz.targets.log_parts import PARSERS, SCAN, STAGE
from tests.fuzz.targets.netboot import NETBOOT
from tests.fuzz.targets.record import RECORD

TARGETS = {
    "log": LOG,
    "stage": STAGE,
    "scan": SCAN,
    "parsers": PARSERS,
    "capture": CAPTURE,
    "record": RECORD,
    "cache": CACHE,
    "ko": KO,
    "netboot": NETBOOT,
}

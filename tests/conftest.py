# SPDX-License-Identifier: GPL-2.0-or-later
"""
The tests see what everybody sees: nothing that this shell sets helps or breaks one, and nobody's own cache
is read or written.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

# PYTHONUNBUFFERED, for one, hides output that is lost when Python ends. A test that wants one sets it.
LEFT_OUT = ("PYTHON", "LC_", "LANG", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM")
for name in [name for name in os.environ if name.startswith(LEFT_OUT)]:
    del os.environ[name]
# Begun in the background or by nohup, the tests have these ignored, and each child begins as they are.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield

# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keepsane.netboot.presence import note_asked, presence_words, serving


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    note_asked(tmp_path, "box")
    assert presence_words(tmp_path, "box") == "nothing answers it now: keepsane netboot serve"
    with serving(tmp_path):
        pass
    assert "nothing answers" in presence_words(tmp_path, "box"), "it has ended"


def test_a_server_of_another_process_is_known_as_long_as_it_lives(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom keepsane.netboot.presence import serving\n"
        "with serving(Path(sys.argv[1])):\n    print('up', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None and server.stdout.readline() == "up\n"
        assert presence_words(tmp_path, "box").startswith("it has never asked")
        server.kill()
    assert "nothing answers" in presence_words(tmp_path, "box")


@pytest.mark.parametrize(
    ("ago", "said"),
    [(1, "it waits"), (45, "45 s ago"), (600, "10 min ago"), (7200, "2 h ago"), (400_000, "5 days ago")],
)
def test_when_a_machine_asked_is_said(tmp_path: Path, ago: float, said: str) -> None:
    note_asked(tmp_path, "box")
    note_asked(tmp_path, "box")
    os.utime(tmp_path / "asked" / "box", (time.time() - ago,) * 2)
    with serving(tmp_path):
        assert presence_words(tmp_path, "box").endswith(said)


def test_what_cannot_be_noted_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "asked").write_text("")
    note_asked(tmp_path, "box")
    with serving(tmp_path):
        assert presence_words(tmp_path, "box").startswith("it has never asked")

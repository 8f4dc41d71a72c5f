# SPDX-License-Identifier: GPL-2.0-or-later
"""
Every verb with every stream closed, full, or left by its reader: the exit codes, and one sentence at most.

Each runs in a process of its own in an environment that holds PATH alone: a setting such as PYTHONUNBUFFERED
decides whether it is the write that fails or the flush at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CAPTURE = Path(__file__).parent / "cases" / "memory" / "healthy-idle-6.12.tar.gz"
LOG = "[    2.364413] BUG: kernel NULL pointer dereference, address: 0000000000000080\n"
PATH = "/usr/bin:/bin"
WORDS = {
    "help": (["--help"], 0),
    "version": (["--version"], 0),
    "verb-help": (["memory", "--help"], 0),
    "explain": (["explain", "LOG", "--no-cache"], 1),
    "explain-jsonl": (["explain", "LOG", "--no-cache", "--format", "jsonl"], 1),
    "gfp": (["gfp", "0xcc0"], 0),
    "memory": (["memory", str(CAPTURE)], 0),
    "memory-script": (["memory", "--script"], 0),
    "rules": (["rules"], 0),
    "completion": (["completion", "bash"], 0),
    "no-verb": (["made-up"], 2),
    "no-file": (["explain", "/nonexistent/console.log"], 2),
}
STREAMS = (">/dev/full", ">&-", "2>&-", "2>/dev/full", "<&- >&- 2>&-")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with one report."""
    path = tmp_path / "console.log"
    path.write_text(LOG)
    return path


def _shell(words: list[str], streams: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run keepsane from a shell, as users do, with nothing in the environment but what is given."""
    # The streams of one are the shell's own redirections; words never are shell text.
    script = f'exec "$@" {streams}'
    command = ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "keepsane.cli", *words]
    environment = {"PATH": PATH, **more}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)


@pytest.mark.parametrize("name", list(WORDS))
def test_streams_that_take_nothing(name: str, log: Path, tmp_path: Path) -> None:
    words, usual = WORDS[name]
    words = [str(log) if word == "LOG" else word for word in words]
    for streams in STREAMS:
        done = _shell(words, streams, tmp_path)
        is_lost = ">" in streams.replace("2>", "")
        assert done.returncode == (2 if is_lost else usual), streams
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
        if is_lost and "2>" not in streams and usual != 2:
            assert done.stderr.startswith("keepsane: cannot write standard output: ")
            assert done.stderr.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["console.log"]


@pytest.mark.parametrize("name", ["help", "version", "explain-jsonl", "rules"])
def test_a_full_disk_that_is_noticed_at_once(name: str, log: Path, tmp_path: Path) -> None:
    words = [str(log) if word == "LOG" else word for word in WORDS[name][0]]
    done = _shell(words, ">/dev/full", tmp_path, PYTHONUNBUFFERED="1")
    assert done.returncode == 2
    assert done.stderr == "keepsane: cannot write standard output: No space left on device\n"


@pytest.mark.parametrize("name", list(WORDS))
def test_a_reader_that_has_seen_enough(name: str, log: Path, tmp_path: Path) -> None:
    """Nobody reads: no sentence about it, and the exit code is not that of an answer."""
    words, usual = WORDS[name]
    words = [str(log) if word == "LOG" else word for word in words]
    read, write = os.pipe()
    os.close(read)
    try:
        command = [sys.executable, "-m", "keepsane.cli", *words]
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env={"PATH": PATH}, check=False)
    finally:
        os.close(write)
    assert done.returncode == 2
    assert done.stderr == b"" or usual == 2


def test_a_file_is_written_where_both_outputs_are_closed(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.txt"
    done = _shell(["explain", str(log), "--no-cache", "-o", str(out)], "<&- >&- 2>&-", tmp_path)
    assert done.returncode == 1
    assert out.read_text().startswith(f"{log}: 1 report")


def test_closed_standard_input_is_not_an_empty_log(tmp_path: Path) -> None:
    done = _shell(["explain", "-"], "<&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "keepsane: standard input is closed; name a log file\n"


def test_a_file_that_takes_the_number_of_a_closed_stream_is_not_written_to(log: Path, tmp_path: Path) -> None:
    """Without care the log would be opened as number 1 or 2, and a sentence for the user end up in it."""
    for streams in ("2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert _shell(["explain", str(log), "--what-if", "x=1"], streams, tmp_path).returncode == 2
        assert log.read_text() == LOG


@pytest.mark.skipif(
    not sys.prefix.isascii(), reason="Python does not start from a path with an umlaut in an ASCII locale"
)
@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict", "PYTHONUTF8": "0"},
    ],
    ids=str,
)
def test_no_locale_changes_what_is_said(locale: dict[str, str], tmp_path: Path) -> None:
    """Letters of a path stay, a byte that is none is written out, no character ends the run."""
    folder = tmp_path / os.fsdecode("gr\u00fcn \u6f22".encode())
    folder.mkdir()
    log = folder / os.fsdecode(b"\xfc.log")
    log.write_text(LOG)
    for form in ("text", "html"):
        done = _shell(["explain", str(log), "--no-cache", "--format", form], "", tmp_path, **locale)
        assert (done.returncode, done.stderr) == (1, "")
        assert "gr\u00fcn \u6f22/\\xfc.log: 1 report" in done.stdout
    done = _shell(["explain", f"{folder}/missing"], "", tmp_path, **locale)
    assert done.returncode == 2
    assert "gr\u00fcn \u6f22/missing: No such file" in done.stderr
    for words in (["rules"], ["memory", "--help"], ["completion", "zsh"]):
        assert _shell(words, "", tmp_path, **locale).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["explain", "\x1b]0;owned\x07\x9b2J\u202e\u2028.log"],
        ["explain", "-", "--vmlinux", "\x1b[31m\u202e"],
        ["explain", "-", "-o", "/nonexistent/\x1b[31m\u202e\nforged: line"],
        ["gfp", "0xcc0", "\x1b[31m\u202e"],
        ["gfp", "\x1b[31m\u202e"],
        ["gfp", "0xcc0", "--kernel", "\x1b[31m\u202e"],
        ["memory", "\x1b[31m\u202e"],
        ["memory", "--record", "/nonexistent/\x1b[31m\u202e"],
        ["rules", "\x1b[31m\u202e"],
        ["completion", "\x1b[31m\u202e"],
        ["\x1b[31m\u202e"],
    ],
    ids=range(11),
)
def test_a_sentence_about_an_argument_drives_no_terminal(words: list[str], tmp_path: Path) -> None:
    done = _shell(words, "</dev/null", tmp_path)
    assert done.returncode == 2
    said = done.stderr.replace("\n", "")
    assert said.isprintable()
    assert "1b" in said and "\nforged" not in done.stderr, "it is written out"
    assert "Traceback" not in done.stderr

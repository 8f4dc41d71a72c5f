# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line as a user meets it."""

from __future__ import annotations

import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from keepsane.cli import main

CRASH = """\
[    2.100000] nothing yet
[    2.364413] BUG: kernel NULL pointer dereference, address: 0000000000000080
[    2.364675] #PF: supervisor read access in kernel mode
[    2.364675] Oops: 0000 [#1] PREEMPT SMP NOPTI
[    2.364675] CPU: 0 PID: 1 Comm: init Not tainted 6.1.0-made-up #1
[    2.364675] RIP: 0010:poke_null+0x12/0x40 [crashme]
[    2.364675] Call Trace:
[    2.364675]  do_null+0x5f/0x90 [crashme]
[    2.364675] ---[ end trace 0000000000000000 ]---
"""
HEAVY = {
    "asyncio",
    "capstone",
    "dataclasses",
    "drgn",
    "email",
    "http.server",
    "importlib.metadata",
    "inspect",
    "keepsane.api",
    "keepsane.model",
    "rich",
    "sqlite3",
    "ssl",
    "urllib.request",
}


def keepsane(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run keepsane as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "keepsane.cli", *arguments], input=stdin, capture_output=True
    )


def test_help_imports_no_room() -> None:
    """`--help` answers from the command table alone."""
    code = """
import sys
from keepsane.cli import main
main(["--help"])
print("|", *sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "A kernel log:" in out
    assert not HEAVY & set(out.rpartition("|")[2].split())


@pytest.mark.parametrize("verb", ["explain", "gfp", "memory", "rules", "completion"])
def test_every_verb_has_help(verb: str) -> None:
    """`keepsane VERB --help` works for every verb of the table."""
    done = keepsane(verb, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: keepsane {verb}".encode())


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_reads_files_however_packed(tmp_path: Path, pack: object) -> None:
    """Plain, gzip, xz and zstd give the same report, recognised by content and not by name."""
    log = tmp_path / "console"
    log.write_bytes(pack(CRASH.encode()))  # type: ignore[operator]

    done = keepsane("explain", str(log), "--format", "json")

    assert done.returncode == 1
    assert [event["title"] for event in json.loads(done.stdout)["events"]] == [
        "NULL pointer dereference in poke_null"
    ]


def test_reads_standard_input_with_crlf() -> None:
    """A pipe from a serial console works, carriage returns and all."""
    done = keepsane("explain", "-", "--format", "json", stdin=CRASH.replace("\n", "\r\n").encode())

    event = json.loads(done.stdout)["events"][0]
    assert (event["line"], event["task"]["comm"], event["fields"]["address"]) == (2, "init", 0x80)


def test_quiet_log_ends_with_zero() -> None:
    """Nothing found is exit code 0 and says so."""
    done = keepsane("explain", "-", stdin=b"[    0.1] Booting\n[    0.2] all is well\n")

    assert done.returncode == 0
    assert b"nothing found" in done.stdout


def test_missing_file_is_one_sentence() -> None:
    """A file that is not there: exit 2, one line that names it, no traceback."""
    done = keepsane("explain", "/nonexistent/console.log")

    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert "/nonexistent/console.log" in done.stderr.decode()


def test_truncated_gzip_explains_what_is_there(tmp_path: Path) -> None:
    """A packed log that ends early: what it holds is explained, the damage is said, exit 2."""
    noise = "".join(f"[    3.{n:06}] {n * 7919 % 100_003:x} and so on\n" for n in range(20_000))
    log = tmp_path / "console.gz"
    log.write_bytes(gzip.compress((CRASH + noise).encode())[:-30_000])

    done = keepsane("explain", str(log))

    assert done.returncode == 2
    assert b"NULL pointer dereference in poke_null" in done.stdout
    assert b"is damaged" in done.stderr


def test_jsonl_writes_a_line_per_event_and_a_summary() -> None:
    """The stream form: one fragment an event, the whole log's report last."""
    done = keepsane("explain", "-", "--format", "jsonl", stdin=CRASH.encode() * 2)

    fragments = [json.loads(line) for line in done.stdout.splitlines()]
    assert [part["event"]["line"] for part in fragments[:-1]] == [2, 11]
    assert fragments[-1]["skipped_lines"] == 2


def test_equal_reports_are_given_once() -> None:
    """The same report again is counted, not printed again."""
    done = keepsane("explain", "-", stdin=CRASH.encode() * 3)

    text = done.stdout.decode()
    assert text.count("  kind       null-deref") == 1
    assert "2 more like it, lines 11, 20" in text


def test_escape_sequences_never_reach_the_output() -> None:
    """A log cannot drive the reader's terminal."""
    evil = CRASH.replace("Comm: init", "Comm: \x1b]0;owned\x07\x1b[31minit\x9b2J")

    done = keepsane("explain", "-", stdin=evil.encode())

    assert "init" in done.stdout.decode()
    assert not {"\x1b", "\x07", "\x9b"} & set(done.stdout.decode())


def test_output_file(tmp_path: Path) -> None:
    """`-o FILE` writes there and nothing to standard output."""
    out = tmp_path / "report.json"

    done = keepsane("explain", "-", "--format", "json", "-o", str(out), stdin=CRASH.encode())

    assert done.stdout == b""
    assert json.loads(out.read_text())["events"][0]["kind"] == "null-deref"


def test_rules_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Every rule in the list has a page with the four headings."""
    names = [line.split()[0] for line in keepsane("rules").stdout.decode().splitlines()]

    assert len(names) >= 10
    for name in names:
        assert main(["rules", name]) == 0  # a process for each of them would take minutes
        page = capsys.readouterr().out
        positions = [
            page.find(h) for h in ("What it means:", "How we know:", "What to do:", "When it is wrong:")
        ]
        assert positions == sorted(positions) and positions[0] > 0, name


def test_unknown_rule_is_an_error() -> None:
    """A name that no rule has: exit 2 and where to look."""
    done = keepsane("rules", "no-such-rule")

    assert done.returncode == 2
    assert b"`keepsane rules` lists them" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_verb(shell: str) -> None:
    """The script for a shell names the verbs and the options of each."""
    script = keepsane("completion", shell).stdout.decode()

    assert all(word in script for word in ("explain", "rules", "vmlinux", "debug-dir"))


@pytest.mark.parametrize("setting", ["min_free_kbytes=-1", "watermark_scale_factor=9999", "swappiness=1"])
def test_a_setting_that_cannot_be_supposed(setting: str) -> None:
    """What the kernel would not take is refused in one sentence, before the log is read."""
    done = keepsane("explain", "-", "--what-if", setting, stdin=CRASH.encode())

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"keepsane: --what-if: ")
    assert done.stderr.count(b"\n") == 1


def test_settings_are_supposed_in_every_format() -> None:
    """`--what-if` adds a finding to the report of a failed allocation."""
    case = Path(__file__).parent / "cases/rules/what-if.case"
    log = case.read_text().partition("\n\n")[2].encode()
    options = ("--what-if", "min_free_kbytes=8192", "--what-if", "vm.watermark_scale_factor=50", "--no-cache")

    for form in ("text", "json", "jsonl", "html"):
        said = keepsane("explain", "-", *options, "--format", form, stdin=log).stdout.decode()
        assert "vm.min_free_kbytes=8192 and vm.watermark_scale_factor=50" in said


@pytest.mark.parametrize("option", ["--vmlinux", "--modules", "--source", "--debug-dir"])
def test_a_named_path_that_is_not_there(option: str) -> None:
    """A typing error is said at once, with the option and the path, and is exit 2."""
    done = keepsane("explain", "-", option, "/nonexistent/here", stdin=CRASH.encode())

    assert done.returncode == 2
    assert f"{option} /nonexistent/here does not exist" in done.stderr.decode()


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"no ELF at all", b"\x7fELF\x02\x01\x01" + bytes(500)])
def test_a_vmlinux_that_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    """What needs no symbols is explained all the same; the file and the reason are named; exit 2."""
    vmlinux = tmp_path / "vmlinux"
    vmlinux.write_bytes(content)
    log = CRASH.replace(" do_null+0x5f/0x90 [crashme]", " vfs_write+0x5f/0x90")

    done = keepsane("explain", "-", "--vmlinux", str(vmlinux), "--no-cache", stdin=log.encode())

    assert done.returncode == 2
    assert b"NULL pointer dereference in poke_null" in done.stdout
    assert str(vmlinux) in done.stdout.decode()
    assert b"Traceback" not in done.stdout + done.stderr


def test_a_truncated_zstd_log_is_not_healthy(tmp_path: Path) -> None:
    """A frame that ends early is damage, however little of it came out."""
    log = tmp_path / "console.zst"
    log.write_bytes(zstandard.ZstdCompressor().compress((CRASH * 500).encode())[:-20])

    done = keepsane("explain", str(log))

    assert done.returncode == 2
    assert b"ends inside a zstd frame" in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x7fELF" + bytes(200), "an ELF file"),
        (b"BZh91AY" + bytes(200), "bzip2"),
        (bytes(range(256)) * 40, "binary"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """Garbage is one sentence and exit 2, not a log in which nothing was found."""
    log = tmp_path / "log"
    log.write_bytes(content)

    done = keepsane("explain", str(log))

    assert done.returncode == 2
    assert words in done.stderr.decode()


def test_the_log_is_never_overwritten(tmp_path: Path) -> None:
    """`-o` on the log itself would destroy what it is to explain."""
    log = tmp_path / "console.log"
    log.write_text(CRASH)

    done = keepsane("explain", str(log), "-o", str(log))

    assert done.returncode == 2
    assert log.read_text() == CRASH


def test_a_full_disk_is_said() -> None:
    """Output that cannot be written is exit 2, never the 1 that means found."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "keepsane.cli", "explain", "-"]
        done = subprocess.run(command, input=CRASH.encode() * 900, stdout=full, stderr=subprocess.PIPE)

    assert done.returncode == 2
    assert b"cannot write" in done.stderr


def test_a_short_answer_on_a_full_disk_is_said() -> None:
    """What fits the buffer is written at the end only: it must be noticed there, not by Python's shutdown."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "keepsane.cli", "gfp", "0xcc0"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)

    assert (done.returncode, done.stderr) == (
        2,
        b"keepsane: cannot write standard output: No space left on device\n",
    )


@pytest.mark.parametrize("arguments", [["rules"], ["rules", "null-member-access"]])
def test_a_python_without_docstrings_says_why_it_has_no_pages(arguments: list[str]) -> None:
    command = [sys.executable, "-OO", "-m", "keepsane.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "keepsane: this Python leaves the rules' pages out: run it without -OO and PYTHONOPTIMIZE=2\n"
    )


def test_a_finding_stands_with_the_report_it_quotes() -> None:
    """Two contexts interleaved line by line: each finding is under its own report."""
    first = [line.replace("]", "][    T1]", 1) for line in CRASH.splitlines()[1:]]
    other = CRASH.replace("poke_null", "poke_other").replace("init", "made-up").splitlines()[1:]
    second = [line.replace("]", "][   T99]", 1) for line in other]
    log = "\n".join(line for pair in zip(first, second, strict=True) for line in pair)

    text = keepsane("explain", "-", stdin=log.encode()).stdout.decode()

    parts = text.split("NULL pointer dereference in poke_other")
    assert "was read in poke_null" in parts[0] and "was read in poke_other" in parts[1]

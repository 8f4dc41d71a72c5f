# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from keepsane.model import Event, Frame, Kernel, SourceLine, Stack
from keepsane.symbols.annotate import Symbols, Wanted
from keepsane.symbols.binary.image import open_image
from keepsane.symbols.lines.repeats import Annotated

pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")


def _event(*frames: Frame) -> Event:
    return Event(
        kind="warning", title="t", line=1, last_line=9, stacks=(Stack(name="Call Trace", frames=frames),)
    )


def _frame(path: Path, function: str, offset_bytes: int, module: str | None = None) -> Frame:
    (symbol,) = open_image(path).symbols([function])[function]
    return Frame(
        line=2,
        function=function,
        offset_bytes=offset_bytes,
        size_bytes=symbol.size_bytes,
        module=module,
        role="ip",
    )


def _annotate(wanted: Wanted, *events: Event) -> Annotated:
    return Symbols(replace(wanted, cache=False)).annotate(events, Kernel())


def _functions(result: Annotated) -> list[list[str]]:
    return [
        [line.function for line in frame.locations]
        for event in result.events
        for stack in event.stacks
        for frame in stack.frames
    ]


def test_vmlinux_and_module_frames_of_all_events_are_decoded(build: Path) -> None:
    kernel = _frame(build / "vmlinux", "outer", 0)
    module = _frame(build / "tiny.ko", "rare", 0, "tiny")
    wanted = Wanted(vmlinux=build / "vmlinux", modules=(build,))
    result = _annotate(wanted, _event(kernel, module), _event(module))
    assert [names[-1] for names in _functions(result)] == ["outer", "rare", "rare"]
    assert not result.failures
    assert {check.file for check in result.checks} == {str(build / "vmlinux"), str(build / "tiny.ko")}


def test_the_source_around_a_frame_is_shown(build: Path) -> None:
    frame = _frame(build / "vmlinux", "last", 0)
    result = _annotate(Wanted(vmlinux=build / "vmlinux", source=build), _event(frame))
    location = result.events[0].stacks[0].frames[0].locations[-1]
    assert location.text is not None
    assert any("int last(int how)" in line for line in location.text.lines)


def test_nothing_is_decoded_from_a_file_that_contradicts_the_log(build: Path) -> None:
    frame = replace(_frame(build / "vmlinux", "outer", 1), size_bytes=0x1230)
    result = _annotate(Wanted(vmlinux=build / "vmlinux"), _event(frame))
    assert _functions(result) == [[]]
    assert "contradicts the log" in result.events[0].stacks[0].frames[0].note
    assert "mismatch" in {check.outcome for check in result.checks}


def test_a_missing_module_is_one_failure_with_a_command(build: Path, tmp_path: Path) -> None:
    frame = Frame(line=1, function="f", offset_bytes=1, size_bytes=16, module="absent")
    result = _annotate(Wanted(modules=(tmp_path,)), _event(frame, frame), _event(frame))
    (failure,) = result.failures
    assert "--modules" in failure.why
    assert "absent.ko" in failure.why


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"garbage"])
def test_an_unusable_vmlinux_is_one_failure_and_the_event_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vmlinux").write_bytes(content)
    event = _event(Frame(line=1, function="f", offset_bytes=1, size_bytes=16))
    result = _annotate(Wanted(vmlinux=tmp_path / "vmlinux"), event)
    (failure,) = result.failures
    assert str(tmp_path / "vmlinux") in failure.why
    assert result.events[0].stacks[0].frames[0].function == "f"


def test_what_exists_only_at_run_time_asks_for_no_file() -> None:
    frame = Frame(line=1, function="bpf_prog_6deef7357e7b4530_x", offset_bytes=1, size_bytes=16)
    result = _annotate(Wanted(), _event(frame))
    assert "BPF" in result.events[0].stacks[0].frames[0].note
    assert not result.failures


def test_what_the_log_says_itself_stays_without_files() -> None:
    said = SourceLine(function="f", file="a.c", line=3, column=None, inlined=False)
    frame = Frame(
        line=1, function="f", offset_bytes=1, size_bytes=16, module="absent", locations=(said,), note="x"
    )
    (stack,) = _annotate(Wanted(edges=False), _event(frame)).events[0].stacks
    assert stack.frames == (frame,)


def test_a_frame_that_was_not_judged_says_why() -> None:
    frame = Frame(line=1, function="f", offset_bytes=1, size_bytes=16, module="absent")
    (stack,) = _annotate(Wanted(), _event(frame)).events[0].stacks
    edge = stack.frames[0].edge
    assert edge is not None and edge.verdict == "unknown" and edge.why == stack.frames[0].note


def test_a_module_file_with_debug_information_is_preferred(build: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(build / "tiny.ko", tmp_path / name / "tiny.ko")
    subprocess.run(["strip", "-g", tmp_path / "a" / "tiny.ko"], check=True)
    frame = _frame(build / "tiny.ko", "rare", 0, "tiny")
    result = _annotate(Wanted(modules=(tmp_path,)), _event(frame))
    assert [names[-1] for names in _functions(result)] == ["rare"]


def test_no_event_needs_no_file() -> None:
    assert _annotate(Wanted(vmlinux=Path("/nowhere"))) == Annotated((), (), ())

# SPDX-License-Identifier: GPL-2.0-or-later
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from keepsane.cli import main
from keepsane.machine.machine import read_machine


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VISUAL", raising=False)
    return tmp_path / "home" / "machines" / "box.toml"


def edit(capfd: pytest.CaptureFixture[str], name: str = "box", code: int = 0) -> str:
    assert main(["netboot", "edit", name]) == code
    out, err = capfd.readouterr()
    return out + err


def editor(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a shell be the editor: `$1` is the copy."""
    monkeypatch.setenv("EDITOR", f"sh -c '{script}' editor")


def describe(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_new_machine_begins_as_a_template(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(monkeypatch, 'sed -i "s/^mac = ../mac = [\\"52:54:00:12:34:56\\"]/" "$1"')
    assert "is written; box gets it with its next poll" in edit(capfd)
    machine = read_machine(file)
    assert machine.mac == ("52:54:00:12:34:56",)
    assert machine.command_line == "panic=10 oops=panic softlockup_panic=1 hung_task_panic=1"
    assert "keepsane netboot cmdline box --from -" in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["box.toml"]


def test_what_is_saved_unchanged_is_not_written(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(monkeypatch, "true")
    assert "nothing is written" in edit(capfd)
    assert not list(file.parent.iterdir())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo "tries = -1" > "$1"', "tries is -1; write a number"),
        ('echo "mac = [" > "$1"', "box.toml: "),
        ('echo "mac = \\"52:54:00:12:34:57\\"" > "$1"', "52:54:00:12:34:57 is of box and of other"),
        ('echo "tries = 4" > "$1"; echo "tries = 3" > box.toml', "changed by somebody else meanwhile"),
        ('echo "tries = 4" > "$1"; exit 3', "ended with 3"),
    ],
)
def test_what_is_wrong_is_kept_and_the_machine_stays(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    describe(file, "# mine\ntries = 2\n")
    describe(file.with_name("other.toml"), 'mac = "52:54:00:12:34:57"')
    monkeypatch.chdir(file.parent)
    editor(monkeypatch, script)
    text = edit(capfd, code=2)
    assert said in text and "; what you wrote is in " in text
    kept = file.with_name("box.toml.edited")
    assert f"what you wrote is in {kept}, and the next edit begins with it" in text and kept.read_text()
    assert file.read_text() == ("tries = 3\n" if "box.toml" in script else "# mine\ntries = 2\n")


def test_the_next_edit_begins_with_what_was_wrong(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(file, "tries = 2\n")
    editor(monkeypatch, 'echo "tries = -4" > "$1"')
    edit(capfd, code=2)
    editor(monkeypatch, 'sed -i s/-4/4/ "$1"')
    assert "it begins with what was typed before" in edit(capfd)
    assert file.read_text() == "tries = 4\n"
    assert [path.name for path in file.parent.iterdir()] == ["box.toml"]


def test_a_machine_without_a_card_is_told_how_to_find_it(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(monkeypatch, 'echo >> "$1"')
    text = edit(capfd)
    assert "keepsane netboot history --candidates" in text and "next poll" not in text
    assert "no root= and no initrd" in text


def test_a_terminal_is_asked_to_edit_again(file: Path, tmp_path: Path) -> None:
    describe(file, "tries = 2\n")
    again = tmp_path / "again"
    script = f'echo tries = -7 > "$1"; [ -e {again} ] && echo tries = 7 > "$1"; touch {again}'
    environment = {**os.environ, "EDITOR": f"sh -c '{script}' editor"}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "keepsane.cli", "netboot", "edit", "box"]
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=theirs, env=environment) as ran:
        os.close(theirs)
        shown = os.read(ours, 4096)
        while b"[Y/n]" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"\n")
        assert ran.wait() == 0
    os.close(ours)
    assert b"tries is -7" in shown and read_machine(file).tries == 7


@pytest.mark.parametrize(
    ("said", "wrong"), [("no-such-editor", "cannot start the editor"), ("'", "cannot start the editor")]
)
def test_an_editor_that_is_none_is_said(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, said: str, wrong: str
) -> None:
    monkeypatch.setenv("EDITOR", said)
    assert wrong in edit(capfd, code=2)
    assert not list(file.parent.iterdir())


def test_no_shell_reads_the_editor_or_the_machine(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDITOR", f"true; touch {tmp_path}/owned")
    edit(capfd, code=2)
    assert "is no name of a machine" in edit(capfd, "$(touch x)", code=2)
    assert not (tmp_path / "owned").exists()


def test_the_doctor_names_the_file_that_is_wrong_and_looks_at_the_others(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    describe(file, "tries = -1\n")
    describe(file.with_name("other.toml"), 'mac = "52:54:00:12:34:57"')
    assert main(["netboot", "doctor", "127.0.0.1:1"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert any(line.startswith("red ") and "box.toml: tries is -1" in line for line in lines)
    assert any("other: restarts 10 s after a panic" in line for line in lines)

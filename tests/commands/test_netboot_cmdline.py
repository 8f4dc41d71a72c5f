# SPDX-License-Identifier: GPL-2.0-or-later
import io
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from keepsane.cli import main
from keepsane.machine.machine import read_machine
from keepsane.netboot.boot import Boot
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.ways_in import GRUB as OWN_GRUB
from tests.machine.test_boot_menu import GRUB

FILE = """\
# under the desk
mac = ["52:54:00:12:34:56"]   # the first card
command_line = "console=ttyS0 quiet ip=${net0/ip}"  # mine
tries = 5
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KEEPSANE_MACHINE", raising=False)
    path = tmp_path / "home" / "machines" / "box.toml"
    path.parent.mkdir(parents=True)
    path.write_text(FILE)
    return path


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["netboot", "cmdline", "box", *words]) == code
    out, err = capfd.readouterr()
    return out + err


def booted(command_line: str, back: float | None = None) -> None:
    with closing(History(netboot_folder())) as history:
        history.booted(Boot("0" * 32, "box", "build", None, command_line, "10.0.2.15", time.time(), None))
        if back is not None:
            history.came_back("box", "10.0.2.15")


def test_what_follows_the_machine_is_a_change_and_the_rest_of_the_file_stays(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file.chmod(0o640)
    text = said(capfd, "+debug", "-quiet", "+loglevel=8")
    assert text.startswith("  - quiet\n  + debug\n  + loglevel=8\n")
    after = "console=ttyS0 ip=${net0/ip} debug loglevel=8"
    assert file.read_text() == FILE.replace("console=ttyS0 quiet ip=${net0/ip}", after)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["box.toml"]


def test_it_is_shown_with_the_difference_to_what_runs(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "has booted nothing yet" in said(capfd)
    booted("vmlinuz initrd=initrd console=ttyS0 ip=10.0.2.15 debug")
    text = said(capfd)
    assert text.splitlines()[0] == "console=ttyS0 quiet ip=${net0/ip}"
    assert text.splitlines()[1:] == ["its next boot differs from what it runs:", "  + quiet", "  - debug"]


def test_what_ran_last_is_the_same(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    booted("console=ttyS0 quiet ip=10.0.2.15", back=1.0)
    assert "that is what it ran last" in said(capfd)


def test_what_stands_in_grub_is_taken_over(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    menu = file.parent / "grub.cfg"
    menu.write_text(GRUB.replace("DEFAULT", "1>0"))
    text = said(capfd, "--from", str(menu), "-quiet", "+panic=10")
    assert "entry 2 of 3, Lab, with Linux 6.12.9; --entry N takes another" in text
    assert "root=UUID=1234-abcd without an initrd: the kernel alone knows no UUID=;" in text
    assert read_machine(file).command_line == "root=UUID=1234-abcd ro panic=10"
    said(capfd, f"--from={menu}", "--entry=3")
    assert read_machine(file).command_line == "root=UUID=1234-abcd ro single console=tty0"


def test_which_entry_is_asked_where_the_menu_does_not_say(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    menu = file.parent / "grub.cfg"
    menu.write_text(GRUB.replace("DEFAULT", "${saved_entry}"))
    text = said(capfd, "--from", str(menu), code=2)
    assert "   3  Lab, with Linux 6.1 (recovery mode): " in text and "which of its 3 entries" in text
    assert "which of its 3 entries" in said(capfd, "--from", str(menu), "--entry", "5", code=2)
    assert file.read_text() == FILE


def test_what_another_machine_runs_comes_through_a_pipe(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = io.TextIOWrapper(io.BytesIO(b"BOOT_IMAGE=/vmlinuz root=/dev/sda1 profile=2\n"))
    monkeypatch.setattr(sys, "stdin", pipe)
    assert "a crash leaves it where it is" in said(capfd, "--from", "-")
    assert read_machine(file).command_line == "root=/dev/sda1 profile=2"


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("+a=${hostname}",), "it names a setting that is none of ${net0/ip}"),
        (("+" + "a" * 2048,), "the kernel takes 2047"),
        (("+a=\u00fc",), "no printable ASCII"),
        (("debug",), "write +debug to add it"),
        (("--quiet",), "--quiet is no change"),
        (("--from",), "--from needs a file"),
        (("--from", "hostname"), "it is neither a command line nor the menu"),
        (("--from", "none"), "cannot read none: No such file"),
        (("--entry", "x", "--from", "f"), "entries are counted from 1"),
        (("--entry", "1"), "--from FILE names it"),
    ],
)
def test_what_is_wrong_is_said_and_the_file_stays(
    file: Path,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(file.parent)
    Path("hostname").write_text("vm\n")
    assert wrong in said(capfd, *words, code=2)
    assert file.read_text() == FILE


def test_without_tomlkit_it_says_what_to_install(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    assert "pip install 'keepsane[test-machine]'" in said(capfd, "+debug", code=2)
    assert said(capfd).startswith("console=ttyS0 quiet")


def test_the_entry_that_starts_keepsane_takes_no_command_line_away(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    menu = file.parent / "grub.cfg"
    menu.write_text(OWN_GRUB)
    assert "nothing in it starts a Linux kernel" in said(capfd, "--from", str(menu), code=2)
    menu.write_text(GRUB.replace("DEFAULT", "0") + OWN_GRUB)
    assert "which of its 3 entries" in said(capfd, "--from", str(menu), code=2)
    assert file.read_text() == FILE
    menu.write_text(OWN_GRUB + "menuentry one {\n linux /vmlinuz root=/dev/sda1 ro -- 3\n}\n")
    text = said(capfd, "--from", str(menu))
    assert "-- 3 is left out: it is init's" in text
    assert "before: console=ttyS0 quiet ip=${net0/ip}\n" in text
    assert read_machine(file).command_line == "root=/dev/sda1 ro"


def test_a_command_line_is_not_taken_away_whole(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = file.parent / "cmdline"
    ran.write_text("BOOT_IMAGE=/vmlinuz\n")
    assert "nothing in it starts" in said(capfd, "--from", str(ran), code=2)
    ran.write_text("BOOT_IMAGE=/vmlinuz ro\n")
    assert "nothing is left of its command line" in said(capfd, "--from", str(ran), "-ro", code=2)
    assert file.read_text() == FILE

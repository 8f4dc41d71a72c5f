# SPDX-License-Identifier: GPL-2.0-or-later
import re
import subprocess
from pathlib import Path

import pytest

from keepsane.cli import main
from tests.netboot.test_kernel_image import image

BANNER = b"6.12.9-test+ (dave@box) #12 SMP Mon Nov 30 10:00:00 UTC 2026"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with a kernel in it is the current directory; one machine is known."""
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KEEPSANE_MACHINE", raising=False)
    describe(tmp_path, "box")
    tree = tmp_path / "tree"
    (tree / "arch" / "x86" / "boot").mkdir(parents=True)
    (tree / "arch" / "x86" / "boot" / "bzImage").write_bytes(image(BANNER))
    monkeypatch.chdir(tree)
    return tree


def describe(folder: Path, name: str) -> None:
    machines = folder / "home" / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    (machines / f"{name}.toml").write_text("")


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["netboot", *words]) == code
    out, err = capfd.readouterr()
    return out + err


def test_what_make_built_is_kept_and_offered(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built = said(capfd, "build", "--", "sh", "-c", "echo '  CC      init/main.o'")
    assert "  CC      init/main.o\n" in built
    assert re.search(r"box boots 6\.12\.9-test\+ #12, \d{8}-\d{6}-\w{8}\n", built)
    assert "once more" in said(capfd, "again", "box")


def test_a_build_that_fails_is_1_and_keeps_nothing(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "build", "--", "sh", "-c", "echo 'w.c:1: error: no'; exit 2", code=1)
    assert "was offered no build yet" in said(capfd, "again", "box", code=2)


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (("true",), "there is no arch/x86/boot/bzImage"),
        (("no-such-make",), "cannot run no-such-make"),
    ],
)
def test_what_cannot_be_built_is_2(
    tree: Path, capfd: pytest.CaptureFixture[str], make: tuple[str, ...], wrong: str
) -> None:
    (tree / "arch" / "x86" / "boot" / "bzImage").unlink()
    assert wrong in said(capfd, "build", "--", *make, code=2)


def test_an_image_that_is_no_kernel_is_refused(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tree / "arch" / "x86" / "boot" / "bzImage").write_bytes(b"\x7fELF" + bytes(70_000))
    assert "is no bzImage" in said(capfd, "build", "--", "true", code=2)


def test_kbuilds_arguments_are_those_of_install(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "install", "6.12.9-test+", "arch/x86/boot/bzImage", "System.map", "/boot")
    assert "kept 6.12.9-test+ #12 as " in text and "box boots it" in text


def test_of_several_machines_one_must_be_named(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(tmp_path, "other")
    assert "there are box, other" in said(capfd, "build", "--", "true", code=2)
    stored = said(capfd, "install", "", "arch/x86/boot/bzImage", "System.map")
    assert "offered to no machine: keepsane netboot again MACHINE" in stored
    assert "other boots" in said(capfd, "build", "--machine", "other", "--", "true")
    monkeypatch.setenv("KEEPSANE_MACHINE", "box")
    assert "box boots" in said(capfd, "build", "--", "true")
    monkeypatch.delenv("KEEPSANE_MACHINE")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "config", "keepsane.machine", "other"], check=True)
    assert "other boots" in said(capfd, "build", "--", "true")


def test_a_machine_that_is_none_is_named(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "no machine is called tset" in said(capfd, "build", "--machine", "tset", "--", "true", code=2)


def test_the_good_build_is_one_that_is_kept(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "booted nothing yet" in said(capfd, "good", "box", code=2)
    assert "no build is called" in said(capfd, "good", "box", "../x", code=2)
    built = said(capfd, "build", "--", "true")
    name = built.split()[-1]
    assert f"{name} is the good build of box" in said(capfd, "good", "box", name)


def test_ways_in_name_the_server(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "setup", "192.168.1.5", "ways")
    assert "http://192.168.1.5:8069/w?" in Path("ways/first.ipxe").read_text()
    assert "initrd16 /boot/first.ipxe" in Path("ways/grub.cfg").read_text()
    assert (
        "dhcp-boot=tag:ipxe,http://192.168.1.5:8069/s,,192.168.1.5" in Path("ways/dnsmasq.conf").read_text()
    )


@pytest.mark.parametrize("address", ["box", "1.2.3.4:0", "1.2.3.4:99999", "::1", "1.2.3.4:8069/x", ""])
def test_what_is_no_address_is_refused(tree: Path, capfd: pytest.CaptureFixture[str], address: str) -> None:
    assert "is no " in said(capfd, "setup", address, "ways", code=2)
    assert not Path("ways").exists()


def test_old_builds_go_and_what_a_machine_needs_stays(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = [said(capfd, "build", "--", "true").split()[-1] for _ in range(3)]
    said(capfd, "good", "box", names[0])
    gone = said(capfd, "prune", "--keep", "0")
    assert names[1] in gone and names[0] not in gone and names[2] not in gone
    assert "no build is called" in said(capfd, "again", "box", names[1], code=2)
    assert "once more" in said(capfd, "again", "box", names[0])


def test_the_doctor_is_red_where_nobody_serves(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "doctor", "127.0.0.1:1", code=1)
    assert "red   no server answers at 127.0.0.1:1" in text
    assert "red   box: no network card is named" in text
    assert "ok    box: restarts 10 s after a panic" in text

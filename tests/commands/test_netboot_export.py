# SPDX-License-Identifier: GPL-2.0-or-later
"""`keepsane netboot export` and `service`: what a web server and systemd get."""

import re
from pathlib import Path

import pytest

from keepsane.cli import main
from tests.netboot.test_kernel_image import image

BANNER = b"6.12.9-test+ (dave@box) #12 SMP Mon Nov 30 10:00:00 UTC 2026"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree that was built for one machine is the current directory."""
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    for name in ("KEEPSANE_MACHINE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    machines = tmp_path / "home" / "machines"
    machines.mkdir(parents=True)
    (tmp_path / "initrd.gz").write_bytes(b"initrd")
    (machines / "box.toml").write_text(
        f'initrd = "{tmp_path}/initrd.gz"\ncommand_line = "a && b ip=${{net0/ip}}"\n'
    )
    boot = tmp_path / "tree" / "arch" / "x86" / "boot"
    boot.mkdir(parents=True)
    (boot / "bzImage").write_bytes(image(BANNER))
    (tmp_path / "tree" / ".config").write_text("CONFIG_X86=y\n")
    monkeypatch.chdir(tmp_path / "tree")
    return tmp_path / "tree"


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["netboot", *words]) == code
    out, err = capfd.readouterr()
    return out + err


def test_what_machines_get_is_written_and_nothing_else(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "build", "--", "true")
    text = said(capfd, "export", "web/box", "box")
    assert "a web server cannot hold a machine" in text
    assert sorted(path.name for path in Path("web/box").iterdir()) == ["boot.ipxe", "initrd", "kernel"]
    assert Path("web/box/kernel").read_bytes() == image(BANNER)
    assert Path("web/box/initrd").read_bytes() == b"initrd"
    for path in Path("web/box").iterdir():
        assert path.stat().st_mode & 0o777 == 0o644, "a web server is another user"


def test_the_script_names_its_neighbours_and_holds_the_command_line(
    tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said(capfd, "build", "--", "true")
    said(capfd, "export", "web", "box")
    script = Path("web/boot.ipxe").read_text()
    assert script.startswith("#!ipxe\n") and "://" not in script
    assert re.findall(r"(?m)^(?:kernel|initrd) --timeout \d+ --name \S+ (\S+)", script) == [
        "initrd",
        "kernel",
    ]
    assert "initrd=initrd ${c}" in script and b"a && b".hex() in script and "${net0/ip}" in script


def test_an_initrd_that_is_no_more_is_taken_away(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said(capfd, "build", "--", "true")
    said(capfd, "export", "web", "box")
    (tmp_path / "home" / "machines" / "box.toml").write_text("")
    said(capfd, "export", "web", "box")
    assert sorted(path.name for path in Path("web").iterdir()) == ["boot.ipxe", "kernel"]


def test_what_cannot_be_exported_is_said(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "was offered no build yet" in said(capfd, "export", "web", "box", code=2)
    said(capfd, "build", "--", "true")
    assert "no build is called x" in said(capfd, "export", "web", "box", "x", code=2)
    assert "cannot write to" in said(capfd, "export", "arch/x86/boot/bzImage", "box", code=2)
    (tmp_path / "initrd.gz").unlink()
    assert f"cannot read {tmp_path}/initrd.gz" in said(capfd, "export", "web", "box", code=2)
    assert not Path("web/boot.ipxe").exists() and list(Path("web").iterdir()) == []


def test_a_unit_is_printed_or_installed(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    printed = said(capfd, "service", "--address", "192.168.1.5", "--address", "10.0.0.1")
    assert "serve --address 192.168.1.5 --address 10.0.0.1 --port 8069\n" in printed
    assert f"Environment=KEEPSANE_HOME={tmp_path}/home\n" in printed
    assert not (tmp_path / "user").exists()
    text = said(capfd, "service", "--address", "192.168.1.5", "--address", "10.0.0.1", "--install")
    assert (tmp_path / "user/.config/systemd/user/keepsane-netboot.service").read_text() == printed
    assert (
        "systemctl --user enable --now keepsane-netboot.service" in text and "loginctl enable-linger" in text
    )


@pytest.mark.parametrize("words", [("--address", "box"), ("--address", "1.2.3.4:80"), ("--port", "0")])
def test_what_no_service_can_be_is_refused(
    tree: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert "is no " in said(capfd, "service", *words, code=2)

# SPDX-License-Identifier: GPL-2.0-or-later
"""`keepsane netboot setup`: each file by the program that reads it, the hook by a tree like Kbuild's."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keepsane.cli import main
from keepsane.machine.machine import read_machine
from tests.netboot.kbuild import kernel_tree, program
from tests.netboot.test_kernel_image import image

BANNER = b"6.12.9-test+ (dave@box) #12 SMP Mon Nov 30 10:00:00 UTC 2026"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "keepsane"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("SUDO_USER", "INSTALLKERNEL", "MAKEFLAGS", "KEEPSANE_MACHINE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    (tmp_path / "keepsane" / "machines").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def setup(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["netboot", "setup", *words]) == code
    out, err = capfd.readouterr()
    return out + err


def test_the_hook_is_linked_and_proved(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = kernel_tree(folder, image(BANNER))
    text = setup(capfd, "--hook", str(tree))
    assert "ok    make install comes here: the receipt says 6.12.9-test+ #12\n" in text
    assert (folder / "home" / "bin" / "keepsane-install").resolve().name == "keepsane-install"
    assert list((folder / "keepsane").iterdir()) == [folder / "keepsane" / "machines"], "nothing is published"
    assert "linked /" not in setup(capfd, "--hook", str(tree)), "it is there already"


def test_a_tree_that_names_its_machine_is_proved_and_offers_it_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSANE_MACHINE", "box")
    monkeypatch.setenv("KEEPSANE_TO", "no-such-host")
    (folder / "keepsane" / "machines" / "box.toml").write_text("")
    assert "ok    make install comes here" in setup(capfd, "--hook", str(kernel_tree(folder, image(BANNER))))
    assert not (folder / "keepsane" / "netboot").exists()
    assert main(["netboot", "again", "box"]) == 2, "nothing is offered to it"


def test_each_way_that_it_names_works(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = kernel_tree(folder, image(BANNER))
    text = setup(capfd, "--hook", str(tree))
    ways = [line.strip().replace(", then: ", "; ") for line in text.splitlines() if line.startswith("  ")]
    assert len(ways) == 3
    for number, way in enumerate(ways):
        ran = subprocess.run(["sh", "-ec", way], cwd=tree, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert "kept 6.12.9-test+ #12 as " in ran.stdout, way
        assert len(list((folder / "keepsane" / "netboot" / "builds").iterdir())) == number + 1


def test_a_tree_that_looks_elsewhere_is_red(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = kernel_tree(folder, image(BANNER))
    (tree / "scripts" / "install.sh").write_text('cat "$KBUILD_IMAGE" > "$INSTALL_PATH/vmlinuz"\n')
    text = setup(capfd, "--hook", str(tree), code=1)
    assert "red   make install did not come to" in text and "something else wrote vmlinuz" in text


def test_a_tree_that_is_not_built_is_red(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tree = kernel_tree(folder, image(BANNER))
    (tree / "arch" / "x86" / "boot" / "bzImage").unlink()
    text = setup(capfd, "--hook", str(tree), code=1)
    assert "red   make install ended with 2" in text and "build it first" in text
    assert "bin/keepsane-install is taken back" in text and not list((folder / "home" / "bin").iterdir())
    (folder / "home" / "bin" / "keepsane-install").symlink_to(
        Path(sys.executable).with_name("keepsane-install")
    )
    assert "is taken back" not in setup(capfd, "--hook", str(tree), code=1), "it was there before"


def test_what_does_not_count_is_said_beside_the_proof(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTALLKERNEL", "keepsane-install")
    text = setup(capfd, "--hook", str(kernel_tree(folder, image(BANNER))))
    assert "ok    make install comes here" in text
    assert "red   INSTALLKERNEL=keepsane-install in the environment does not count" in text


def test_another_program_of_that_name_stays(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program(folder / "home" / "bin" / "keepsane-install", "mine")
    tree = kernel_tree(folder, image(BANNER))
    assert "is another program" in setup(capfd, "--hook", str(tree), code=2)
    assert (folder / "home" / "bin" / "keepsane-install").read_text() == "mine"
    assert "is no kernel tree" in setup(capfd, "--hook", str(folder), code=2)


def test_a_machine_gets_a_secret_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = folder / "keepsane" / "machines" / "box.toml"
    file.write_text("tries = 7\n")
    text = setup(capfd, "1.2.3.4", "ways", "--machine", "box", "--secret")
    secret = read_machine(file).secret
    assert len(secret) == 32 and secret not in text
    script = (folder / "ways" / "first.ipxe").read_text()
    assert f"\nset secret {secret}\n" in script and "&s=${secret} " in script
    assert "iseq ${misses} 7 && goto local" in script
    assert "/s?t=7,,1.2.3.4" in (folder / "ways" / "dnsmasq.conf").read_text()
    for path in (folder / "ways").iterdir():
        assert path.stat().st_mode & 0o77 == 0, path
    setup(capfd, "1.2.3.4", "again", "--machine", "box", "--secret")
    assert read_machine(file).secret == secret


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1.2.3.4", "ways", "--secret"), "--machine NAME says which"),
        (("1.2.3.4", "ways", "--machine", "tset"), "no machine is called tset"),
        (("1.2.3.4", "ways", "--tries", "-1"), "is no number of tries"),
        (("1.2.3.4", "ways", "--ipxe", "nowhere"), "there is no ipxe.lkrn in nowhere"),
        (("1.2.3.4",), "name the address"),
        ((), "name the address"),
        (("1.2.3.4", "ways", "--ipxe-efi", "nofile"), "cannot read nofile"),
    ],
)
def test_what_cannot_be_written_is_said(
    folder: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in setup(capfd, *words, code=2)


@pytest.mark.skipif(not shutil.which("grub-script-check"), reason="there is no grub-script-check here")
def test_grub_reads_what_is_for_grub(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    setup(capfd, "1.2.3.4", "ways")
    subprocess.run(["grub-script-check", "ways/grub.cfg"], check=True)


@pytest.mark.skipif(not shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"), reason="there is no dnsmasq here")
def test_dnsmasq_reads_what_is_for_dnsmasq(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    setup(capfd, "1.2.3.4", "ways", "--tries", "20")
    subprocess.run(["/usr/sbin/dnsmasq", "--test", "--conf-file=ways/dnsmasq.conf"], check=True)
    bootfile = (folder / "ways" / "dnsmasq.conf").read_text().rpartition("tag:ipxe,")[2].partition(",")[0]
    assert bootfile == "http://1.2.3.4:8069/s?t=20", "BOOTP has room for 127 bytes"


def test_an_ipxe_that_reads_no_script_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "old.efi").write_bytes(b"MZ" + bytes(100))
    (folder / "new.efi").write_bytes(b"MZ" + bytes(100) + "autoexec.ipxe".encode("utf-16-le"))
    assert "reads no autoexec.ipxe" in setup(capfd, "1.2.3.4", "ways", "--ipxe-efi", "old.efi", code=2)
    (folder / "text").write_bytes(b"autoexec.ipxe")
    assert "is no program for UEFI" in setup(capfd, "1.2.3.4", "ways", "--ipxe-efi", "text", code=2)
    assert "copy what is in ways/esp" in setup(capfd, "1.2.3.4", "ways", "--ipxe-efi", "new.efi")
    esp = folder / "ways" / "esp"
    assert (esp / "EFI" / "BOOT" / "BOOTX64.EFI").read_bytes() == (folder / "new.efi").read_bytes()
    first = (folder / "ways" / "first.ipxe").read_text()
    assert (
        (esp / "EFI" / "BOOT" / "autoexec.ipxe").read_text() == (esp / "autoexec.ipxe").read_text() == first
    )


def test_debians_ipxe_for_uefi_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    debians = Path("/usr/lib/ipxe/ipxe.efi")
    if not debians.exists():
        pytest.skip("there is no ipxe.efi here")
    assert "Debian 12's is of 2019" in setup(capfd, "1.2.3.4", "ways", "--ipxe-efi", str(debians), code=2)


def test_an_image_that_cannot_be_made_is_no_fault(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr("keepsane.commands.netboot.setup.IPXE_FOLDER", "nowhere")
    text = setup(capfd, "1.2.3.4", "ways")
    assert "not written; apt install grub-common xorriso" in text and " ipxe, then once more" in text
    assert not (folder / "ways" / "keepsane.iso").exists()

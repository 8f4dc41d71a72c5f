# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines that are shown are those of the build whose log it is, however the files were edited since."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.api import explain
from keepsane.cli import main
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.store import Build, Store
from keepsane.symbols.binary.image import open_image
from tests.netboot.test_kernel_image import image

pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")

BANNER = b"6.12.9-test+ (dave@box) #12 SMP Mon Nov 30 10:00:00 UTC 2026"
CODE = """\
int volatile sink;
__attribute__((noinline)) int poke(int how)
{
	return 10 / how + sink; /* as it was built */
}
int poke_twice(int how) { return poke(how) + poke(how + 1); }
"""
EDITED = CODE.replace("as it was built", "as it was edited")
LOG = """\
[    1.000000] init: page allocation failure: order:0, mode:0x820(GFP_ATOMIC), nodemask=(null),cpuset=/
[    1.000001] CPU: 0 PID: 10 Comm: init Not tainted 6.12.9-test+ #12
[    1.000002] Call Trace:
[    1.000003]  poke+0x4/SIZE
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git tree, the current directory, with a kernel that gcc made of its one file."""
    if shutil.which("gcc") is None or shutil.which("git") is None:
        pytest.skip("gcc and git are not installed, and the kernel is built here")
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    tree = tmp_path / "linux"
    (tree / "drivers").mkdir(parents=True)
    (tree / "arch" / "x86" / "boot").mkdir(parents=True)
    (tree / "Makefile").write_text("all:\n")
    (tree / ".gitignore").write_text("/vmlinux\n/arch\n")
    (tree / "drivers" / "poke.c").write_text("int older;\n")
    monkeypatch.chdir(tree)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    (tree / "drivers" / "poke.c").write_text(CODE)
    (tree / "arch" / "x86" / "boot" / "bzImage").write_bytes(image(BANNER))
    (tree / "System.map").write_text("0000000000000000 A stub\n")
    flags = "-g -O2 -fno-pic -fcf-protection=none -mcmodel=kernel -ffreestanding -nostdlib -static"
    link = "-Wl,-Ttext=0xffffffff81000000,--build-id,-e,poke"
    _run("gcc", *flags.split(), link, str(tree / "drivers" / "poke.c"), "-o", "vmlinux")
    return tree


def git(*words: str) -> None:
    _run("git", "-c", "user.name=dave", "-c", "user.email=dave@box", *words)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def log() -> str:
    (symbol,) = open_image(Path("vmlinux")).symbols(["poke"])["poke"]
    return LOG.replace("SIZE", f"{symbol.size_bytes:#x}")


def install() -> Build:
    assert main(["netboot", "install", "", "arch/x86/boot/bzImage", "System.map"]) == 0
    return Store(netboot_folder()).builds()[0]


def explained(capfd: pytest.CaptureFixture[str], tree: Path, *words: str, code: int = 1) -> str:
    """What `keepsane explain` says where neither vmlinux nor source is named, in another folder."""
    (tree.parent / "console.log").write_text(log())
    (tree / "vmlinux").rename(tree / "vmlinux.built")
    capfd.readouterr()
    assert main(["explain", "--no-cache", "--all", *words, str(tree.parent / "console.log")]) == code
    (tree / "vmlinux.built").rename(tree / "vmlinux")
    out, err = capfd.readouterr()
    return out + err


def test_a_line_is_shown_as_it_was_built(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    build = install()
    (tree / "drivers" / "poke.c").write_text(EDITED)
    assert len(build.source_tree) == 40
    text = explained(capfd, tree)
    assert "as it was built" in text and "as it was edited" not in text
    git("add", "-A")
    git("commit", "-q", "-m", "second")
    git("gc", "-q", "--prune=now")
    assert "as it was built" in explained(capfd, tree)
    assert "as it was edited" in explained(capfd, tree, "--source", str(tree))
    assert "as it was edited" in explained(capfd, tree, "--source", f"{tree}:HEAD")


def test_what_make_started_from_is_kept(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tree.parent / "home" / "machines").mkdir(parents=True)
    (tree.parent / "home" / "machines" / "box.toml").write_text("")
    edit = "sed -i 's/as it was built/as it was edited/' drivers/poke.c"
    assert main(["netboot", "build", "--machine", "box", "--", "sh", "-c", edit]) == 0
    assert (tree / "drivers" / "poke.c").read_text() == EDITED
    assert "as it was built" in explained(capfd, tree)


@pytest.mark.parametrize("how", ["tree", "repository"])
def test_where_the_sources_are_gone_it_is_said_once(
    tree: Path, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    build = install()
    (tree / "drivers" / "poke.c").write_text(EDITED)
    if how == "tree":
        git("update-ref", "-d", f"refs/keepsane/{build.id}")
        git("gc", "-q", "--prune=now")
    else:
        shutil.rmtree(tree / ".git")
    text = explained(capfd, tree)
    assert "/* as it was" not in text
    assert text.count("has no git tree") == 1 and "name a tree with --source" in text


def test_a_tree_without_git_is_published_and_it_is_said_once(
    tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(tree / ".git")
    assert install().source_tree == ""
    out, err = capfd.readouterr()
    assert (out + err).count("its sources are not kept: it is no git tree\n") == 1
    assert "/* as it was" not in explained(capfd, tree)


def test_prune_lets_go_of_the_sources(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    build = install()
    ref = Path(".git", "refs", "keepsane", build.id)
    assert ref.read_text().strip() == build.source_tree
    assert main(["netboot", "prune", "--keep", "0"]) == 0
    assert not ref.exists()


def test_a_tree_that_is_named_wrongly_is_2(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("no-such", "--help", "HEAD:Makefile", "a\nb", "", ":"):
        said = explained(capfd, tree, f"--source={tree}:{name}", code=2)
        assert said.startswith("keepsane: --source ") and said.count("\n") == 1, name
    assert "does not exist" in explained(capfd, tree, f"--source={tree}-gone:HEAD", code=2)


def test_a_folder_with_a_colon_in_its_name_is_a_folder(tree: Path) -> None:
    folder = tree.parent / "linux:HEAD"
    (folder / "drivers").mkdir(parents=True)
    (folder / "drivers" / "poke.c").write_text(EDITED)
    git("add", "-A")
    git("commit", "-q", "-m", "second")
    report = explain(log(), vmlinux="vmlinux", source=str(folder), cache=False)
    (frame,) = report.events[0].stacks[0].frames
    assert frame.locations[0].text is not None
    assert any("as it was edited" in line for line in frame.locations[0].text.lines)


def test_a_note_of_a_stranger_names_no_repository(tree: Path, tmp_path: Path) -> None:
    build = install()
    stranger = tmp_path / "case"
    stranger.mkdir()
    shutil.copy("vmlinux", stranger / "vmlinux")
    (stranger / ".source").write_text(f"{build.source_tree}\n{tree}\n")
    report = explain(log(), vmlinux=str(stranger / "vmlinux"), cache=False)
    (frame,) = report.events[0].stacks[0].frames
    assert frame.locations and all(line.text is None for line in frame.locations)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the DWARF of a stranger's module names is quoted from its own tree alone, and nothing else is read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from keepsane.api import explain
from keepsane.symbols.binary.image import open_image
from keepsane.symbols.lines import source

pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")

CODE = """\
#line 5 "FILE"
int volatile sink;
__attribute__((noinline)) int poke(int how) { return 10 / how + sink; }
"""
LOG = """\
[    1.000000] init: page allocation failure: order:0, mode:0x820(GFP_ATOMIC), nodemask=(null),cpuset=/
[    1.000001] CPU: 0 PID: 10 Comm: init Not tainted 6.12.1 #1
[    1.000002] Call Trace:
[    1.000003]  poke+0x1/SIZE [crashme]
"""
SECRET = "".join(f"secret {number}\n" for number in range(1, 20))


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as it was unpacked, in a home that holds secrets, with a module tree in it."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed, and the modules are built here")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret").mkdir()
    for name in ("secret/db.c", "secret/db.inc", "secret/notes"):
        (tmp_path / name).write_text(SECRET)
    folder = tmp_path / "case" / "crashme"
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text("obj-m := crashme.o\n")
    return folder


def _quoted(folder: Path, file: str, source: Path | None = None) -> str:
    """Everything that is quoted where a module, whose DWARF names this file, crashes."""
    ko = folder / "crashme.ko"
    subprocess.run(
        ["gcc", "-g", "-O2", "-fno-pic", "-mcmodel=kernel", "-x", "c", "-", "-c", "-o", ko],
        input=CODE.replace("FILE", file),
        text=True,
        check=True,
        cwd=folder,
    )
    (symbol,) = open_image(ko).symbols(["poke"])["poke"]
    log = LOG.replace("SIZE", f"{symbol.size_bytes:#x}")
    report = explain(log, modules=folder, cache=False, source=source)
    (frame,) = report.events[0].stacks[0].frames
    assert frame.locations[0].file == file, report.failures
    texts = [line.text for line in frame.locations if line.text is not None]
    return "\n".join(line for text in texts for line in text.lines)


def test_a_source_in_the_tree_of_the_module_is_quoted(case: Path) -> None:
    (case / "crashme.c").write_text(SECRET)
    assert "secret 6" in _quoted(case, "/build/crashme/crashme.c")
    assert "secret 6" in _quoted(case, str(case / "crashme.c"))


def test_the_tree_is_the_nearest_folder_above(case: Path) -> None:
    (case / "crashme.c").write_text(SECRET)
    (case / "built").mkdir()
    assert "secret 6" in _quoted(case / "built", "/build/crashme/crashme.c")
    (case / "built" / "Kbuild").write_text("")
    assert not _quoted(case / "built", "/build/crashme/crashme.c")


@pytest.mark.parametrize("name", ["db.c", "db.inc", "notes"])
def test_a_path_in_the_dwarf_is_not_followed(case: Path, name: str) -> None:
    secret = case.parents[1] / "secret" / name
    for file in (str(secret), f"../../secret/{name}", f"/proc/self/cwd/../../secret/{name}"):
        assert not _quoted(case, file)


def _link(case: Path, secret: Path) -> None:
    (case / "crashme.c").symlink_to(secret)


def _linked_folder(case: Path, secret: Path) -> None:
    (case / "src").symlink_to(secret.parent)


def _second_name(case: Path, secret: Path) -> None:
    (case / "crashme.c").hardlink_to(secret)


def _fifo(case: Path, _secret: Path) -> None:
    os.mkfifo(case / "crashme.c")


@pytest.mark.parametrize("prepare", [_link, _linked_folder, _second_name, _fifo])
def test_nothing_in_the_tree_leads_out_of_it(case: Path, prepare: Callable[[Path, Path], None]) -> None:
    prepare(case, case.parents[1] / "secret" / "db.c")
    assert not _quoted(case, "/proc/self/cwd/crashme.c")
    assert not _quoted(case, "/build/src/db.c")


def test_a_file_of_another_user_is_not_quoted(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (case / "crashme.c").write_text(SECRET)
    if os.geteuid() == 0:
        os.chown(case / "crashme.c", 12345, -1)
    else:
        monkeypatch.setattr(source, "_is_trusted", lambda owner: owner in (0, os.geteuid() + 1))
    assert not _quoted(case, "/build/crashme/crashme.c")


def test_in_a_folder_without_a_tree_nothing_is_quoted(case: Path) -> None:
    (case / "Makefile").unlink()
    (case / "crashme.c").write_text(SECRET)
    assert not _quoted(case, "/build/crashme/crashme.c")
    assert "secret 6" in _quoted(case, "/build/crashme/crashme.c", source=case)


@pytest.mark.parametrize("mark", [".config", "Kbuild", "Makefile"])
def test_the_home_is_no_tree(case: Path, mark: str) -> None:
    (case / "Makefile").unlink()
    home = case.parents[1]
    (home / mark).write_text("")
    assert not _quoted(case, str(home / "secret" / "db.c"))


def test_of_a_linked_module_the_real_place_counts(case: Path) -> None:
    (case / "crashme.c").write_text(SECRET)
    other = case.parents[1] / "project"
    other.mkdir()
    (other / "Makefile").write_text("")
    (other / "crashme.c").write_text("other\n" * 9)
    _quoted(case, "/build/crashme/crashme.c")
    (case / "crashme.ko").rename(other / "crashme.ko")
    (case / "crashme.ko").symlink_to(other / "crashme.ko")
    tree = source.tree_of(open_image(case / "crashme.ko").elf)
    assert tree.directory == other


def test_the_name_that_is_opened_decides_with_a_source_tree_too(case: Path) -> None:
    (case / "notes").write_text(SECRET)
    (case / "crashme.c").symlink_to("notes")
    assert not _quoted(case, "/build/crashme/crashme.c", source=case)
    (case / "crashme.c").unlink()
    (case / "real.c").write_text(SECRET)
    (case / "crashme.c").symlink_to("real.c")
    assert "secret 6" in _quoted(case, "/build/crashme/crashme.c", source=case)
    (case / "crashme.c").unlink()
    (case / "crashme.c").symlink_to(case.parents[1] / "secret" / "db.c")
    assert not _quoted(case, "/build/crashme/crashme.c", source=case)

# SPDX-License-Identifier: GPL-2.0-or-later
import gzip
import io
import subprocess
from pathlib import Path

import pytest
import zstandard

from keepsane.netboot.cpio_read import read_members
from keepsane.netboot.modules import listed_modules, pack_modules

# What `make modules_install` does of a kernel tree, as far as it is seen from here.
MAKEFILE = """
modules_install:
\t@test -z "$(MAKEFLAGS_OF_OUTER)" && test -z "$$sub_make_done"
\t@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/6.12.9-test+/kernel
\t@cp widget.ko $(INSTALL_MOD_PATH)/lib/modules/6.12.9-test+/kernel
\t@strip --strip-debug $(INSTALL_MOD_PATH)/lib/modules/6.12.9-test+/kernel/widget.ko
\t@ln -s /nowhere $(INSTALL_MOD_PATH)/lib/modules/6.12.9-test+/build
\t@touch $(INSTALL_MOD_PATH)/lib/modules/6.12.9-test+/modules.dep
"""
MEMBERS = {"lib/modules/6.12.9-test+/kernel/widget.ko", "lib/modules/6.12.9-test+/modules.dep"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / ".config").write_text("CONFIG_MODULES=y\n")
    (tree / "modules.order").write_text("widget.o\n")
    (tree / "widget.c").write_text("int widget(int x) { return x + 1; }\n")
    subprocess.run(["gcc", "-g", "-c", "widget.c", "-o", "widget.ko"], cwd=tree, check=True)
    return tree


def packed(tree: Path, name: str) -> dict[str, bytes]:
    scratch = tree.parent / name
    scratch.mkdir()
    found = pack_modules(tree, scratch)
    assert found.problem == ""
    return {name: path.read_bytes() for name, path in found.files.items()}


def members(archive: bytes) -> dict[str, bytes]:
    stream = io.BytesIO(archive)
    return {member.name: stream.read(member.size_bytes) for member in read_members(stream)}


def test_a_machine_gets_them_stripped_and_explain_as_they_are(tree: Path) -> None:
    made = packed(tree, "scratch")
    served = members(made["modules"])
    assert served.keys() == MEMBERS, "and no link to the tree"
    assert b".debug_info" not in served["lib/modules/6.12.9-test+/kernel/widget.ko"]
    assert members(made["modules.debug"]) == {"widget.ko": (tree / "widget.ko").read_bytes()}


@pytest.mark.parametrize(
    ("config", "unpack"),
    [
        (
            "CONFIG_RD_ZSTD=y\nCONFIG_RD_GZIP=y",
            lambda raw: zstandard.ZstdDecompressor().stream_reader(raw).read(),
        ),
        ("# CONFIG_RD_ZSTD is not set\nCONFIG_RD_GZIP=y", gzip.decompress),
        ("CONFIG_RD_XZ=y", bytes),
    ],
)
def test_they_are_packed_as_the_kernel_unpacks_and_always_alike(tree: Path, config: str, unpack) -> None:  # type: ignore[no-untyped-def]
    (tree / ".config").write_text(f"CONFIG_MODULES=y\n{config}\n")
    first, second = packed(tree, "first")["modules"], packed(tree, "second")["modules"]
    assert first == second and members(unpack(first)).keys() == MEMBERS


def test_an_outer_make_hands_nothing_down(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n -- MAKEFLAGS_OF_OUTER=1")
    monkeypatch.setenv("sub_make_done", "1")
    assert packed(tree, "scratch")


def test_where_none_were_built_there_are_none(tree: Path) -> None:
    (tree / "modules.order").write_text("")
    assert packed(tree, "one") == {}
    (tree / "modules.order").write_text("widget.o\n")
    (tree / ".config").write_text("# CONFIG_MODULES is not set\n")
    assert packed(tree, "two") == {}


def test_what_goes_wrong_is_said_with_the_last_line(tree: Path) -> None:
    (tree / "Makefile").write_text("modules_install:\n\t@echo 'strip: no room' >&2; exit 3\n")
    found = pack_modules(tree, tree.parent)
    assert found == ({}, "the modules are not kept: make modules_install ended with 2: strip: no room")


def test_without_depmod_it_is_said(tree: Path) -> None:
    (tree / "Makefile").write_text(MAKEFILE.replace("modules.dep", "modules.order"))
    found = pack_modules(tree, tree.parent)
    assert found.files and "install the package kmod" in found.problem


@pytest.mark.parametrize("line", ["drivers/w.o", "drivers/w.ko", "kernel/drivers/w.ko"])
def test_each_form_of_modules_order_is_read(tree: Path, line: str) -> None:
    (tree / "drivers").mkdir()
    (tree / "drivers" / "w.ko").write_bytes(b"")
    (tree / "modules.order").write_text(f"{line}\n")
    assert listed_modules(tree) == [tree / "drivers" / "w.ko"]

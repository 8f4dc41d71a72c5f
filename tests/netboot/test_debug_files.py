# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from keepsane.errors import InputError
from keepsane.folders import debug_folder
from keepsane.model import Kernel
from keepsane.netboot.cpio import file, write_cpio
from keepsane.netboot.debug_files import unpack_debug
from keepsane.netboot.store import Build, Store
from keepsane.symbols.binary.find import build_id_files, kept_module_dirs, vmlinux_files

RELEASE = "6.12.9-test+"


def publish(
    store: Store, folder: Path, number: int, release: str = RELEASE, modules: dict[str, bytes] | None = None
) -> Build:
    (folder / "vmlinux").write_bytes(f"ELF {number}".encode())
    files = {"kernel": folder / "vmlinux", "vmlinux": folder / "vmlinux"}
    if modules is not None:
        with (folder / "archive").open("wb") as out:
            write_cpio(out, (file(name, content) for name, content in modules.items()))
        files["modules.debug"] = folder / "archive"
    said = {
        "release": release,
        "number": f"#{number}",
        "banner": "",
        "build_id": None,
        "tree": "",
        "commit": "",
        "subject": "",
    }
    return store.publish(files, said)


def build_id_of(path: Path) -> str:
    return path.read_bytes().hex().ljust(40, "0")


def kernel(build_id: str | None) -> Kernel:
    return Kernel(release=RELEASE, build_id=build_id)


def id_of(content: bytes) -> str:
    return content.hex().ljust(40, "0")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    return tmp_path


def test_what_was_built_is_found_by_its_build_id_and_its_release(home: Path) -> None:
    store = Store(home / "store")
    for number in (1, 2):
        unpack_debug(store, publish(store, home, number), debug_folder(), build_id_of)
    found = vmlinux_files(kernel(id_of(b"ELF 1")), root=home)
    assert [path.read_bytes() for path in found[:1]] == [b"ELF 1"]
    of_release = vmlinux_files(kernel(None), root=home)
    assert {path.read_bytes() for path in of_release} == {b"ELF 1", b"ELF 2"}, (
        "a log may be of the one before"
    )


def test_modules_are_found_by_build_id_and_beside_the_vmlinux_of_their_build(home: Path) -> None:
    store = Store(home / "store")
    for number in (1, 2):
        modules = {"widget.ko": f"widget {number}".encode(), "same.ko": b"the same"}
        unpack_debug(store, publish(store, home, number, modules=modules), debug_folder(), build_id_of)
    (by_id,) = build_id_files(id_of(b"widget 1"), root=home)
    assert by_id.read_bytes() == b"widget 1"
    (beside,) = kept_module_dirs(kernel(None), id_of(b"ELF 1"))
    assert (beside / "widget.ko").read_bytes() == b"widget 1"
    (other,) = kept_module_dirs(kernel(None), id_of(b"ELF 2"))
    assert (other / "same.ko").samefile(beside / "same.ko"), "equal modules are there once"
    assert kept_module_dirs(kernel(None), id_of(b"ELF 3")) == kept_module_dirs(kernel(None), None) == ()


def test_only_the_last_are_kept(home: Path) -> None:
    store = Store(home / "store")
    for number in range(5):
        build = publish(store, home, number, f"6.12.{number}", {"w.ko": b"w%d" % number, "s.ko": b"s"})
        unpack_debug(store, build, debug_folder(), build_id_of)
    assert len(list(debug_folder().glob(".build-id/??/*.debug"))) == 3 + 3 + 1
    assert sorted(path.name for path in (debug_folder() / "kernels").iterdir()) == [
        "6.12.2",
        "6.12.3",
        "6.12.4",
    ]


@pytest.mark.parametrize("release", ["../../x", "a/b", "..", ""])
def test_no_release_leads_elsewhere(home: Path, release: str) -> None:
    store = Store(home / "store")
    assert unpack_debug(store, publish(store, home, 1, release), debug_folder(), build_id_of) is None
    assert not debug_folder().exists() and not (home / "x").exists()


@pytest.mark.parametrize("name", ["../w.ko", "a/w.ko", "vmlinux", ".ko"])
def test_no_module_leads_elsewhere(home: Path, name: str) -> None:
    store = Store(home / "store")
    build = publish(store, home, 1, modules={name: b"w"})
    with pytest.raises(InputError, match="are damaged"):
        unpack_debug(store, build, debug_folder(), build_id_of)
    assert [path.name for path in debug_folder().iterdir()] == ["lock"]

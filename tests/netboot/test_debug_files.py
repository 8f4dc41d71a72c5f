# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from keepsane.folders import debug_folder
from keepsane.model import Kernel
from keepsane.netboot.debug_files import unpack_debug
from keepsane.netboot.store import Build, Store
from keepsane.symbols.binary.find import vmlinux_files

RELEASE = "6.12.9-test+"


def publish(store: Store, folder: Path, number: int, release: str = RELEASE) -> Build:
    (folder / "vmlinux").write_bytes(f"ELF {number}".encode())
    said = {
        "release": release,
        "number": f"#{number}",
        "banner": "",
        "build_id": f"{number:040x}",
        "tree": "",
        "commit": "",
        "subject": "",
    }
    return store.publish({"kernel": folder / "vmlinux", "vmlinux": folder / "vmlinux"}, said)


def kernel(build_id: str | None) -> Kernel:
    return Kernel(release=RELEASE, build_id=build_id)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    return tmp_path


def test_what_was_built_is_found_by_its_build_id_and_its_release(home: Path) -> None:
    store = Store(home / "store")
    first, second = publish(store, home, 1), publish(store, home, 2)
    for build in (first, second):
        unpack_debug(store, build, debug_folder())
    (by_id, by_release) = vmlinux_files(kernel(first.build_id), root=home)
    assert by_id.read_bytes() == b"ELF 1"
    assert by_release.read_bytes() == b"ELF 2", "the newest of a release"


def test_only_the_last_are_kept(home: Path) -> None:
    store = Store(home / "store")
    for number in range(5):
        unpack_debug(store, publish(store, home, number, f"6.12.{number}"), debug_folder())
    assert len(list(debug_folder().glob(".build-id/??/*.debug"))) == 3
    assert sorted(path.name for path in debug_folder().glob("vmlinux-*")) == [
        "vmlinux-6.12.2",
        "vmlinux-6.12.3",
        "vmlinux-6.12.4",
    ]


@pytest.mark.parametrize("release", ["../../x", "a/b", "..", ""])
def test_no_release_leads_elsewhere(home: Path, release: str) -> None:
    store = Store(home / "store")
    unpack_debug(store, publish(store, home, 1, release), debug_folder())
    assert [path.name for path in debug_folder().iterdir()] == [".build-id"]
    assert not (home / "x").exists()

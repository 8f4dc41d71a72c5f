# SPDX-License-Identifier: GPL-2.0-or-later
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from keepsane.errors import InputError
from keepsane.netboot.store import Store

SAID = {
    "release": "6.12.9-test+",
    "number": "#12",
    "banner": "6.12.9-test+ #12",
    "build_id": None,
    "tree": "/home/dave/linux",
    "commit": "1234",
    "subject": "widget: do && undo",
}


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    made = {"kernel": b"HdrS" * 1000, "vmlinux": b"ELF" * 500_000, "config": b"CONFIG_X=y\n"}
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in made}


def test_a_build_is_kept_as_it_is(tmp_path: Path, sources: dict[str, Path]) -> None:
    store = Store(tmp_path / "store")
    build = store.publish(sources, SAID)
    assert store.builds() == [build] and store.build(build.id) == build
    assert store.path(build, "kernel").read_bytes() == sources["kernel"].read_bytes()
    unpacked = zstandard.ZstdDecompressor().stream_reader(store.path(build, "vmlinux").read_bytes()).read()
    assert unpacked == sources["vmlinux"].read_bytes()
    kernel = build.file("kernel")
    assert kernel is not None and kernel.sha256 == hashlib.sha256(b"HdrS" * 1000).hexdigest()
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


def test_equal_files_are_kept_once(tmp_path: Path, sources: dict[str, Path]) -> None:
    store = Store(tmp_path / "store")
    first = store.publish(sources, SAID)
    sources["kernel"].write_bytes(b"HdrS another")
    second = store.publish(sources, SAID)
    assert store.path(first, "vmlinux").samefile(store.path(second, "vmlinux"))
    assert store.path(first, "kernel").read_bytes() != store.path(second, "kernel").read_bytes()
    store.remove(first)
    assert store.builds() == [second]
    assert store.path(second, "vmlinux").exists()
    assert len(list((tmp_path / "store" / "objects").iterdir())) == 3


def test_equal_builds_of_one_second_are_two(tmp_path: Path, sources: dict[str, Path]) -> None:
    store = Store(tmp_path / "store")
    assert len({store.publish(sources, SAID).id for _ in range(3)}) == len(store.builds()) == 3


@pytest.mark.parametrize("name", ["../../etc", "20261130-101010-12345678", "", "receipt.json"])
def test_no_name_leads_elsewhere(tmp_path: Path, sources: dict[str, Path], name: str) -> None:
    store = Store(tmp_path / "store")
    store.publish(sources, SAID)
    with pytest.raises(InputError, match="no build is called"):
        store.build(name)


def test_receipts_of_older_and_newer_keepsanes_are_read(tmp_path: Path, sources: dict[str, Path]) -> None:
    store = Store(tmp_path / "store")
    build = store.publish(sources, SAID | {"machine": "box", "source_tree": "ab12"})
    receipt = tmp_path / "store" / "builds" / build.id / "receipt.json"
    said = json.loads(receipt.read_bytes())
    later = ("source_tree", "signed_with", "unsigned_sha256", "machine")
    receipt.write_text(json.dumps({name: value for name, value in said.items() if name not in later}))
    assert store.build(build.id) == dataclasses.replace(build, machine="", source_tree="")
    receipt.write_text(json.dumps(said | {"not_known_yet": 1}))
    assert store.build(build.id) == build


DIES = """
import os, sys
from pathlib import Path
from keepsane.netboot.store import Store
import tests.netboot.test_store as this
left = int(sys.argv[1])
def dying(event, arguments):
    global left
    if event in ("open", "os.link", "os.rename", "os.mkdir", "os.remove"):
        left -= 1
        if left == 0:
            os._exit(9)
folder = Path(sys.argv[2])
sources = {name: folder / name for name in ("kernel", "vmlinux", "config")}
sys.addaudithook(dying)
Store(folder / "store").publish(sources, this.SAID)
"""


def test_what_dies_at_any_step_leaves_no_half_build(tmp_path: Path, sources: dict[str, Path]) -> None:
    """The process ends at the first operation on a file, then at the second, ...: until it comes through."""
    codes = []
    for step in range(1, 200, 3):
        ran = subprocess.run([sys.executable, "-c", DIES, str(step), str(tmp_path)], env=os.environ)
        codes.append(ran.returncode)
        store = Store(tmp_path / "store")
        for build in store.builds():
            for file in build.files:
                packed = store.path(build, file.name).read_bytes()
                content = (
                    packed
                    if file.name == "kernel"
                    else zstandard.ZstdDecompressor().stream_reader(packed).read()
                )
                assert hashlib.sha256(content).hexdigest() == file.sha256
        if ran.returncode == 0:
            break
    assert codes[-1] == 0 and codes.count(9) > 3
    assert len(store.builds()) >= 1
    assert not list((tmp_path / "store" / "builds").glob(".half-*"))


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    store = Store(tmp_path / "store")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.publish(sources, SAID)
    assert store.builds() == [] and not list((tmp_path / "store" / "builds").iterdir())


def test_what_is_damaged_is_said(tmp_path: Path, sources: dict[str, Path]) -> None:
    store = Store(tmp_path / "store")
    build = store.publish(sources, SAID)
    assert store.damage(build) is None
    store.path(build, "vmlinux").write_bytes(b"\x28\xb5\x2f\xfd and no more that is zstd's")
    with pytest.raises(OSError, match="the vmlinux that was kept is damaged"):
        store.read(build, "vmlinux", 100)
    with pytest.raises(OSError, match="the vmlinux that was kept is damaged"):
        store.unpack(build, "vmlinux", tmp_path / "out")
    store.path(build, "kernel").unlink()
    assert store.damage(build) == "its kernel cannot be read: No such file or directory"

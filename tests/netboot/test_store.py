# SPDX-License-Identifier: GPL-2.0-or-later
import dataclasses
import hashlib
import json
import time
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


def test_builds_stand_in_their_order_wherever_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bzImage").write_bytes(b"kernel")
    made = []
    for zone in ("Asia/Tokyo", "America/Los_Angeles", "UTC"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        made.append(Store(tmp_path / "store").publish({"kernel": tmp_path / "bzImage"}, SAID).id)
    monkeypatch.undo()
    time.tzset()
    assert [build.id for build in Store(tmp_path / "store").builds()] == made[::-1]

# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from keepsane.symbols.binary.modules import files_of, index_modules


@pytest.mark.parametrize(
    "file",
    ["virtio_blk.ko", "virtio-blk.ko.xz", "virtio_blk.ko.gz", "virtio-blk.ko.zst", "virtio_blk.ko.debug"],
)
def test_a_module_is_found_by_the_name_the_kernel_prints(tmp_path: Path, file: str) -> None:
    path = tmp_path / "kernel" / "drivers" / file
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert files_of(index_modules(tmp_path), "virtio_blk", None) == [path]


def test_other_files_are_no_modules(tmp_path: Path) -> None:
    for name in ("virtio_blk.o", "virtio_blk.ko.cmd", "virtio_blk", ".ko"):
        (tmp_path / name).write_text("")
    assert index_modules(tmp_path) == {}


def test_the_directory_of_the_logs_release_comes_first(tmp_path: Path) -> None:
    for release in ("6.1.0", "6.12.9"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "nvme.ko").write_text("")
    for release in ("6.1.0", "6.12.9"):
        assert files_of(index_modules(tmp_path), "nvme", release)[0].parent.name == release


def test_a_missing_directory_has_no_modules(tmp_path: Path) -> None:
    assert index_modules(tmp_path / "nowhere") == {}

# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.model import Kernel
from keepsane.symbols.binary.find import (
    build_id_files,
    missing_sentence,
    module_dirs,
    safe_release,
    vmlinux_files,
)

RELEASE = "6.12.117+deb12-cloud-amd64"
BUILD_ID = "3b43fad5034874490492495d552c0af6a5fab235"
BY_BUILD_ID = ".build-id/3b/43fad5034874490492495d552c0af6a5fab235.debug"


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF")
    return path


@pytest.mark.parametrize(
    "place",
    [
        f"usr/lib/debug/boot/vmlinux-{RELEASE}",
        f"usr/lib/debug/boot/vmlinux-{RELEASE}.debug",
        f"usr/lib/debug/lib/modules/{RELEASE}/vmlinux",
        f"usr/lib/debug/usr/lib/modules/{RELEASE}/vmlinux",
        f"lib/modules/{RELEASE}/build/vmlinux",
        f"boot/vmlinux-{RELEASE}",
    ],
)
def test_a_vmlinux_is_found_where_distributions_put_it(place: str, tmp_path: Path) -> None:
    kernel = Kernel(release=RELEASE)
    file = _put(tmp_path / place)
    assert vmlinux_files(kernel, root=tmp_path) == (file,)
    assert vmlinux_files(kernel, (tmp_path,), root=tmp_path / "nowhere") == (file,)
    assert vmlinux_files(Kernel(release="6.1.0-56-cloud-amd64"), root=tmp_path) == ()


@pytest.mark.parametrize(
    "place", ["vmlinux", f"vmlinux-{RELEASE}", f"{RELEASE}/vmlinux", f"lib/modules/{RELEASE}/vmlinux"]
)
def test_a_debug_directory_may_be_laid_out_simply(place: str, tmp_path: Path) -> None:
    file = _put(tmp_path / place)
    assert vmlinux_files(Kernel(release=RELEASE), (tmp_path,), root=tmp_path / "nowhere") == (file,)


def test_the_surest_file_comes_first(tmp_path: Path) -> None:
    by_release = _put(tmp_path / f"usr/lib/debug/boot/vmlinux-{RELEASE}")
    by_build_id = _put(tmp_path / "usr/lib/debug" / BY_BUILD_ID)
    named = _put(tmp_path / "mine/vmlinux")
    kernel = Kernel(release=RELEASE, build_id=BUILD_ID)
    found = vmlinux_files(kernel, (tmp_path / "mine",), root=tmp_path)
    assert found == (by_build_id, named, by_release)


@pytest.mark.parametrize("top", ["", "usr/lib/debug"])
def test_a_build_id_leads_to_its_debug_file(top: str, tmp_path: Path) -> None:
    file = _put(tmp_path / top / BY_BUILD_ID)
    assert build_id_files(BUILD_ID, (tmp_path,), root=tmp_path / "nowhere") == (file,)


def test_what_debuginfod_fetched_is_found(tmp_path: Path) -> None:
    file = _put(tmp_path / "cache/debuginfod_client" / BUILD_ID / "debuginfo")
    assert vmlinux_files(Kernel(build_id=BUILD_ID), root=tmp_path) == (file,)


def test_directories_of_modules(tmp_path: Path) -> None:
    debug = tmp_path / f"usr/lib/debug/lib/modules/{RELEASE}"
    plain = tmp_path / f"lib/modules/{RELEASE}"
    for directory in (debug, plain):
        directory.mkdir(parents=True)
    assert module_dirs(Kernel(release=RELEASE), root=tmp_path) == (debug, plain)
    assert module_dirs(Kernel(release=RELEASE), (tmp_path,), root=tmp_path / "nowhere") == (
        debug,
        plain,
        tmp_path,
    )
    assert module_dirs(Kernel(), root=tmp_path) == ()


@pytest.mark.parametrize(
    "release",
    [
        "../../etc",
        "6.1/../../x",
        "6.1..0",
        "",
        "-rf",
        ".hidden",
        "a b",
        "6.1\n",
        "6.1;reboot",
        "6" * 65,
        "ü",
        "$(id)",
    ],
)
def test_a_hostile_release_enters_neither_path_nor_command(release: str, tmp_path: Path) -> None:
    _put(tmp_path / "etc")
    assert safe_release(release) is None
    assert vmlinux_files(Kernel(release=release), root=tmp_path / "a/b") == ()
    said = missing_sentence(Kernel(release=release, version="#1 SMP Debian 6.1.192-2"))
    assert "apt-get" not in said
    assert not release or release not in said.split("`")[1::2]


@given(st.text(max_size=80))
def test_a_release_that_is_taken_is_one_part_of_a_path(release: str) -> None:
    taken = safe_release(release)
    assert taken is None or (Path(taken).name == taken and not set(taken) & set(" ;|&$`'\"\\<>(){}*?!#\n"))


@pytest.mark.parametrize("build_id", ["../../../../etc/passwd", "AB" * 20, "3b43", "", "zz" * 20])
def test_what_is_no_build_id_has_no_file(build_id: str, tmp_path: Path) -> None:
    assert build_id_files(build_id, (tmp_path,), root=tmp_path) == ()


@pytest.mark.parametrize(
    ("release", "version", "command"),
    [
        (
            RELEASE,
            "#1  Debian 6.12.117-1~deb12u1",
            "apt-get install linux-image-6.12.117+deb12-cloud-amd64-dbg",
        ),
        (
            "7.0.0-14-generic",
            "#14-Ubuntu SMP PREEMPT_DYNAMIC",
            "apt-get install linux-image-7.0.0-14-generic-dbgsym",
        ),
        (
            "6.5.6-300.fc39.x86_64",
            "#1 SMP PREEMPT_DYNAMIC",
            "dnf debuginfo-install kernel-core-6.5.6-300.fc39.x86_64",
        ),
        ("5.14.0-427.el9.x86_64", None, "dnf debuginfo-install kernel-core-5.14.0-427.el9.x86_64"),
        ("3.10.0-1160.el7.x86_64", "#1 SMP", "debuginfo-install kernel-3.10.0-1160.el7.x86_64"),
        ("6.4.0-150600.23.7-default", "#1 SMP PREEMPT_DYNAMIC", "zypper install kernel-default-debuginfo"),
    ],
)
def test_the_command_is_that_of_the_distribution(release: str, version: str | None, command: str) -> None:
    said = missing_sentence(Kernel(release=release, version=version))
    assert f"`{command}`" in said
    assert said.startswith(f"No vmlinux of {release} ")
    assert said.endswith(".")
    assert said.count(". ") == 0


def test_other_kernels_are_asked_for_by_build_id_or_at_their_builder() -> None:
    arch = Kernel(release="6.15.1-arch1-2", version="#1 SMP PREEMPT_DYNAMIC", build_id=BUILD_ID)
    assert f"`debuginfod-find debuginfo {BUILD_ID}`" in missing_sentence(arch)
    own = missing_sentence(Kernel(release="6.12.0-rc3+", version="#7 SMP PREEMPT_DYNAMIC"))
    assert "in which this kernel was built" in own
    assert "CONFIG_DEBUG_INFO" in own
    assert "--vmlinux FILE" in missing_sentence(Kernel())


def test_a_missing_module_is_asked_for_by_name() -> None:
    kernel = Kernel(release="6.1.0-56-cloud-amd64", version="#1 SMP Debian 6.1.192-2")
    said = missing_sentence(kernel, "crashme")
    assert said.startswith(
        "No crashme.ko of 6.1.0-56-cloud-amd64 was found: name its directory with --modules DIR"
    )
    assert "linux-image-6.1.0-56-cloud-amd64-dbg" in said
    assert "/etc" not in missing_sentence(kernel, "../../etc/x")

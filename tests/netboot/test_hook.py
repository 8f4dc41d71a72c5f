# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says of the hook, against what make does in a tree that searches as Kbuild does."""

import subprocess
from pathlib import Path

import pytest

from keepsane.netboot.check import Check
from keepsane.netboot.hook import check_hook
from tests.netboot.kbuild import kernel_tree, program

HOOK = '#!/bin/sh\ntouch "$4/hook-ran"\n'


def checks(home: Path, environment: dict[str, str]) -> list[Check]:
    return list(check_hook(home, environment, home.parent / "sbin"))


def installed(folder: Path, environment: dict[str, str], *words: str) -> set[str]:
    """Run `make install`, and give what it wrote; it ends with 0 whoever ran."""
    tree, boot = kernel_tree(folder, b"kernel"), folder / "boot"
    boot.mkdir()
    home = {"HOME": str(folder / "home"), "PATH": "/usr/bin:/bin"}
    subprocess.run(
        ["make", "install", f"INSTALL_PATH={boot}", *words], cwd=tree, env=home | environment, check=True
    )
    return {path.name for path in boot.iterdir()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "bin").mkdir(parents=True)
    return tmp_path / "home"


def test_a_link_that_make_is_told_of_is_run(tmp_path: Path, home: Path) -> None:
    program(home / "bin" / "keepsane-install", HOOK)
    assert [check.ok for check in checks(home, {})] == [True]
    assert installed(tmp_path, {}, "INSTALLKERNEL=keepsane-install") == {"hook-ran"}


def test_makeflags_count(tmp_path: Path, home: Path) -> None:
    program(home / "bin" / "keepsane-install", HOOK)
    flags = {"MAKEFLAGS": "INSTALLKERNEL=keepsane-install"}
    assert [check.ok for check in checks(home, flags)] == [True]
    assert installed(tmp_path, flags) == {"hook-ran"}


def test_kbuilds_own_name_needs_no_word(tmp_path: Path, home: Path) -> None:
    program(home / "elsewhere" / "keepsane-install", HOOK)
    (home / "bin" / "installkernel").symlink_to(home / "elsewhere" / "keepsane-install")
    assert [check.ok for check in checks(home, {})] == [True]
    assert installed(tmp_path, {}) == {"hook-ran"}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"INSTALLKERNEL": "keepsane-install"}, "does not count for Kbuild"),
        ({"MAKEFLAGS": "INSTALLKERNEL=/home/bin/keepsane-install"}, "goes on without it"),
    ],
)
def test_a_name_that_does_not_count_falls_through(
    tmp_path: Path, home: Path, environment: dict[str, str], said: str
) -> None:
    program(home / "bin" / "keepsane-install", HOOK)
    assert [check.ok for check in checks(home, environment)] == [True, False]
    assert said in checks(home, environment)[1].what
    assert installed(tmp_path, environment) == {"vmlinuz"}


def test_a_hook_that_cannot_be_run_falls_through(tmp_path: Path, home: Path) -> None:
    program(home / "bin" / "keepsane-install", HOOK).chmod(0o644)
    assert "cannot be run" in checks(home, {})[0].what and checks(home, {})[0].ok is False
    assert installed(tmp_path, {}, "INSTALLKERNEL=keepsane-install") == {"vmlinuz"}


def test_a_link_that_leads_nowhere_falls_through(home: Path) -> None:
    (home / "bin" / "keepsane-install").symlink_to("nowhere")
    assert checks(home, {})[0].ok is False


def test_the_next_candidate_is_named(tmp_path: Path, home: Path) -> None:
    program(home / "bin" / "keepsane-install", HOOK)
    program(tmp_path / "sbin" / "installkernel", '#!/bin/sh\ntouch "$4/system-ran"\n')
    said = checks(home, {})
    assert [check.ok for check in said] == [True, None] and "sbin/installkernel" in said[1].what
    assert installed(tmp_path, {}) == {"system-ran"}


def test_somebody_elses_installkernel_is_named(home: Path) -> None:
    program(home / "bin" / "installkernel", HOOK)
    assert "is no link to keepsane-install" in checks(home, {})[0].what


def test_under_sudo_the_home_is_roots(home: Path) -> None:
    said = checks(home, {"SUDO_USER": "dave"})
    if home.owner() == "root":
        assert said[0].ok is False and "not in that of dave" in said[0].what
    else:
        assert all("dave" not in check.what for check in said)

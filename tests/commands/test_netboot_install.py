# SPDX-License-Identifier: GPL-2.0-or-later
import re
import sys
from pathlib import Path
from shlex import quote

import pytest

from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.store import Store
from tests.commands.test_netboot import VERBS, describe, last_making, said, tree

__all__ = ["tree"]  # a fixture


@pytest.fixture
def other_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for ssh runs the same keepsane with another home, as another machine would."""
    describe(tmp_path / "there", "box")
    script = tmp_path / "ssh"
    home, python = quote(str(tmp_path / "there" / "home")), quote(sys.executable)
    run = 'import sys; from keepsane.cli import install; sys.argv[1:] = ["--receive"]; sys.exit(install())'
    script.write_text(
        "#!/bin/sh\n"
        '[ "$2" = "keepsane-install --receive" ] || exit 126\n'
        f"env -u KEEPSANE_TO KEEPSANE_HOME={home} {python} -c {quote(run)}\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("KEEPSANE_SSH", quote(str(script)))
    return tmp_path / "there" / "home"


@pytest.mark.parametrize("verb", [VERBS[0], VERBS[1]], ids=["build", "install"])
def test_another_machine_keeps_and_offers_it(
    tree: Path, capfd: pytest.CaptureFixture[str], other_home: Path, verb: tuple[str, ...]
) -> None:
    text = said(capfd, verb[0], "--to", "build-server", *verb[1:])
    assert "build-server: kept 6.12.9-test+ #12 as " in text and "build-server: box gets it" in text
    assert Store(netboot_folder()).builds() == []
    (there,) = Store(other_home / "netboot").builds()
    assert there.machine == "box" and there.tree == str(tree)
    again = said(capfd, verb[0], "--to", "build-server", *verb[1:])
    assert f"build-server: this is the kernel of {there.id} again\n" in again


def test_within_make_a_variable_says_where_to(
    tree: Path, capfd: pytest.CaptureFixture[str], other_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSANE_TO", "build-server")
    assert "build-server: box gets it" in said(capfd, *VERBS[1])


def test_what_the_other_machine_refuses_is_said(
    tree: Path, capfd: pytest.CaptureFixture[str], other_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSANE_MACHINE", "tset")
    text = said(capfd, "install", "--to", "build-server", *VERBS[1][1:], code=2)
    assert "build-server did not take the build: keepsane: no machine is called tset" in text
    assert Store(other_home / "netboot").builds() == []


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "a;b"])
def test_what_is_no_host_is_refused(tree: Path, capfd: pytest.CaptureFixture[str], host: str) -> None:
    assert "is no name of a host" in said(capfd, "install", f"--to={host}", *VERBS[1][1:], code=2)


def test_a_stale_kernel_is_said(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = said(capfd, *VERBS[1])
    name = re.search(r"as (\S+)", first)
    assert name is not None and "again" not in first
    second = said(capfd, *VERBS[1])
    assert f"this is the kernel of {name[1]} again: make install builds none, make does\n" in second
    before = re.search(r"as (\S+)", second)
    assert before is not None
    made = said(capfd, "build", "--", "true")
    assert f"\nmake changed nothing: this is the kernel of {before[1]} again\n" in made


def test_a_kernel_that_is_not_signed_is_not_offered(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "home" / "machines" / "box.toml"
    file.write_text('sign = ["sh", "-c", "echo no token >&2; exit 4", "{kernel}", "{signed}"]')
    text = said(capfd, *VERBS[1], code=2)
    assert "the kernel is not signed, and not offered: sh ended with 4: no token" in text
    assert Store(netboot_folder()).builds() == []
    said(capfd, "build", "--", "true", code=2)
    assert "no token" in last_making().errors, "the machine's screen says it too"
    file.write_text('sign = ["cp", "{kernel}", "{signed}"]')
    assert "box gets it" in said(capfd, *VERBS[1])
    (build,) = Store(netboot_folder()).builds()
    assert build.signed_with == "cp '{kernel}' '{signed}'" and build.unsigned_sha256 == build.files[0].sha256


def test_a_build_that_lost_a_file_can_go(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = [said(capfd, "build", "--", "true").split()[-1] for _ in range(2)]
    store = Store(netboot_folder())
    store.path(store.build(names[0]), "kernel").unlink()
    (store.folder / "objects" / "of-nobody").write_text("")
    assert names[0] in said(capfd, "prune", "--keep", "0")
    assert [build.id for build in store.builds()] == [names[1]]
    assert not (store.folder / "objects" / "of-nobody").exists()

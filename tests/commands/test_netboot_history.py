# SPDX-License-Identifier: GPL-2.0-or-later
"""What a developer reads of boots: the list, one of them, what is pinned."""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from keepsane.cli import main
from keepsane.netboot import history as history_module
from keepsane.netboot.boot import Boot, BootFile
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from tests.commands.test_netboot import describe, said, tree

__all__ = ["tree"]


@pytest.fixture
def build(tree: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """Publish a build, and note three boots of it."""
    describe(tree, "box")
    built = said(capfd, "build", "--", "true")
    name = built.split()[-1]
    with closing(History(netboot_folder())) as history:
        for number, why in enumerate(["", "the firmware refused the kernel\x1b[2J", ""]):
            began = time.time()
            boot = Boot(
                f"{number:032x}", "box", name, number + 1, "quiet", "10.0.2.15", began + 3.5,
                asked_seconds=began, script_seconds=began + 1,
            )  # fmt: skip
            history.booted(boot, [BootFile("kernel", 5 << 20, began + 1, began + 3.5)])
            if number == 0:
                history.came_back("box", "10.0.2.15")
            if why:
                history.was_not_started(boot.nonce, "10.0.2.15", why, lost_bytes=False)
    return name


def test_boots_are_listed_with_what_became_of_them(build: str, capfd: pytest.CaptureFixture[str]) -> None:
    last, refused, first = said(capfd, "history").splitlines()
    assert last.split()[0] == "3" and last.endswith(f"{build}  has not come back")
    assert "was not started: the firmware refused the kernel" in refused and "\x1b" not in refused
    assert "came back after" in first


def test_a_list_for_programs_has_the_names_of_the_fields(
    build: str, capfd: pytest.CaptureFixture[str]
) -> None:
    listed = json.loads(said(capfd, "history", "box", "--format", "json"))
    assert listed["schema"] == 1
    assert [row["outcome"] for row in listed["rows"]] == ["provisional", "refused", "back"]
    assert {*listed["rows"][0]} == {*Boot._fields}
    assert json.loads(said(capfd, "history", "--candidates", "--format", "json"))["rows"] == []


def test_one_boot_is_shown_with_its_phases_and_its_build(
    build: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = dict(
        line.split(None, 1) for line in said(capfd, "show", "1").splitlines() if len(line.split()) > 1
    )
    assert shown["boot"] == "1 of box, from 10.0.2.15"
    assert shown["script"].endswith("+1.0 s")
    assert shown["id"] == f"keepsane.boot={0:032x}"
    assert shown["build"] == build
    whole = json.loads(said(capfd, "show", "#1", "--format", "json"))
    assert whole["files"][0]["size_bytes"] == 5 << 20 and whole["build"]["id"] == build


def test_a_boot_that_is_none_is_refused(build: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert "there is no boot 99" in said(capfd, "show", "99", code=2)
    assert "no build is called x" in said(capfd, "show", "x", code=2)


def test_a_pinned_build_stays(build: str, capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "build", "--", "true")
    said(capfd, "pin", "2")
    assert said(capfd, "pin") == f"{build}\n"
    said(capfd, "prune", "--keep", "0")
    assert "pinned" in said(capfd, "show", build)
    assert said(capfd, "pin", build, "--off") == f"{build} is not kept for good\n"
    assert build in said(capfd, "prune", "--keep", "0")


def test_a_build_is_named_by_the_number_of_a_boot(build: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, "again", "box", "2").startswith(f"box gets {build} once more (")
    assert said(capfd, "good", "box", "#1") == f"{build} is the good build of box\n"


def test_what_a_machine_posted_is_one_command_away(build: str, capfd: pytest.CaptureFixture[str]) -> None:
    with closing(History(netboot_folder())) as history:
        assert history.posted(f"{0:032x}", 4096)
    assert said(capfd, "history").splitlines()[-1].endswith("; posted a log: show 1")
    path = netboot_folder() / "posted" / f"{0:032x}.log"
    assert f"keepsane explain {path}" in said(capfd, "show", "1")


def test_the_list_marks_the_good_build_and_what_it_was_booted_for(
    build: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "good" not in said(capfd, "history")
    said(capfd, "good", "box", build)
    later = time.time() + 60
    with closing(History(netboot_folder())) as history:
        history.booted(Boot("f" * 32, "box", build, None, "", "10.0.2.15", later, cause="making 7"))
        history.booted(Boot("e" * 32, "box", "other", None, "", "10.0.2.15", later + 1))
    other, stood_in, last, *_ = said(capfd, "history").splitlines()
    assert other.endswith("has not come back")
    assert stood_in.endswith("; the good kernel, since build run 7 failed")
    assert last.endswith("has not come back; the good build")


def test_a_history_of_the_version_before_is_taken_over(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file with the first step alone, as an older keepsane left it."""
    steps = Path(history_module.__file__).with_name("sql")
    folder = netboot_folder()
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(folder / "netboot.sqlite")) as old:
        old.executescript((steps / "0001.sql").read_text())
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO boot VALUES ('n1', 'box', 'b', 1, '', '10.0.2.15', 100, 160)")
        old.execute("INSERT INTO boot VALUES ('n2', 'box', 'b', 2, '', '10.0.2.15', 200, NULL)")
        old.commit()
    describe(tree, "box")
    last, first = said(capfd, "history").splitlines()
    assert last.endswith("has not come back") and first.endswith("came back after 60 s")
    assert main(["netboot", "history"]) == os.EX_OK

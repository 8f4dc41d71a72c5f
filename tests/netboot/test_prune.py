# SPDX-License-Identifier: GPL-2.0-or-later
from keepsane.netboot.prune import to_remove
from keepsane.netboot.store import Build


def build(name: str) -> Build:
    return Build(
        id=name,
        published_seconds=0.0,
        release="",
        number="",
        banner="",
        build_id=None,
        tree="",
        commit="",
        subject="",
        files=(),
    )


BUILDS = [build(name) for name in ("newest", "newer", "older", "oldest")]


def gone(wanted: set[str], keep: int, most_bytes: int) -> list[str]:
    return [build.id for build in to_remove(BUILDS, wanted, [10, 10, 10, 10], keep, most_bytes)]


def test_the_newest_stay() -> None:
    assert gone(set(), keep=2, most_bytes=1000) == ["older", "oldest"]


def test_they_stay_only_as_far_as_they_have_room() -> None:
    assert gone(set(), keep=9, most_bytes=25) == ["older", "oldest"]


def test_what_a_machine_needs_stays_and_takes_its_room() -> None:
    assert gone({"oldest"}, keep=0, most_bytes=0) == ["newest", "newer", "older"]
    assert gone({"oldest"}, keep=9, most_bytes=25) == ["newer", "older"]

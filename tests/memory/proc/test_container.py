# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose numbers these are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.machine import container_of
from keepsane.memory.snapshot import Snapshot


def test_a_mark_in_the_root_speaks_of_a_container() -> None:
    container = container_of(Snapshot(files={".dockerenv": ""}))

    assert container is not None
    assert (container.kind, container.why) == ("docker", "/.dockerenv exists")
    assert container.replaced == ()


def test_the_group_of_the_first_process_names_the_manager() -> None:
    container = container_of(Snapshot(files={"proc/1/cgroup": "0::/kubepods/besteffort/pod12/ab\n"}))

    assert container is not None and container.kind == "kubepods"


def test_what_lxcfs_answers_is_the_containers_own() -> None:
    mounts = "lxcfs /proc/meminfo fuse.lxcfs rw,nosuid 0 0\nlxcfs /proc/swaps fuse.lxcfs rw 0 0\n"
    container = container_of(Snapshot(files={"proc/mounts": mounts}))

    assert container is not None
    assert container.kind == "lxc"
    assert container.replaced == ("meminfo", "swaps")


def test_a_machine_of_its_own() -> None:
    files = {"proc/1/cgroup": "0::/init.scope\n", "proc/mounts": "proc /proc proc rw 0 0\n"}

    assert container_of(Snapshot(files=files)) is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    container_of(Snapshot(files={"proc/1/cgroup": text, "proc/mounts": text, "run/systemd/container": text}))

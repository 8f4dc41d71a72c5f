# SPDX-License-Identifier: GPL-2.0-or-later
"""What was killed, as kernels from 2.6.11 on say it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.kernel.events.oom_kill.victim import Victim, parse_victims
from tests.lines import records

NEW = (
    "Out of memory: Killed process 93 (busy box) total-vm:4508kB, anon-rss:1084kB, file-rss:840kB, "
    "shmem-rss:2kB, UID:1000 pgtables:48kB oom_score_adj:-5"
)


def read(*lines: str) -> tuple[Victim, ...]:
    return parse_victims(records(lines))


def test_every_number_since_5_3() -> None:
    assert read(NEW) == (
        Victim(
            line=1,
            pid=93,
            comm="busy box",
            certain=True,
            total_vm_kibibytes=4508,
            anon_rss_kibibytes=1084,
            file_rss_kibibytes=840,
            shmem_rss_kibibytes=2,
            uid=1000,
            pgtables_kibibytes=48,
            oom_score_adj=-5,
        ),
    )


@pytest.mark.parametrize(
    ("line", "pid", "comm"),
    [
        ("Out of Memory: Killed process 307 (thunderbird-bin).", 307, "thunderbird-bin"),
        (
            "Killed process 65 (mysqld) total-vm:33kB, anon-rss:20kB, file-rss:0kB, shmem-rss:0kB",
            65,
            "mysqld",
        ),
        ("Killed process 8432, UID 48, (httpd) total-vm:342kB, anon-rss:72kB, file-rss:1kB", 8432, "httpd"),
        ("Killed process 47 (gcc) vsz:120kB, anon-rss:98kB, file-rss:4kB", 47, "gcc"),
        (
            "Memory cgroup out of memory: Killed process 9 (a) total-vm:1kB, anon-rss:0kB, file-rss:0kB",
            9,
            "a",
        ),
        ("Out of memory (oom_kill_allocating_task): Killed process 9 (a)", 9, "a"),
        ("... Out of Memory: Killed process 9 (a).", 9, "a"),
        # systemd names what it has forked and not yet executed like this.
        ("Out of memory: Killed process 812 ((sd-pam)) total-vm:1kB, anon-rss:0kB", 812, "(sd-pam)"),
        ("  Out of memory: Killed process 9 (a) total-vm:1kB", 9, "a"),
    ],
)
def test_the_line_of_every_era(line: str, pid: int, comm: str) -> None:
    (victim,) = read(line)

    assert (victim.pid, victim.comm, victim.certain) == (pid, comm, True)


def test_a_child_was_killed_in_the_place_of_the_one_chosen() -> None:
    (victim,) = read(
        "Out of Memory: Kill process 65 (bash) score 88 and children.",
        "Out of memory: Killed process 104 (mc).",
    )

    assert (victim.pid, victim.comm, victim.line) == (104, "mc", 2)


def test_only_the_choice_is_left() -> None:
    (victim,) = read("Out of memory: Kill process 65 (bash) score 901 or sacrifice child")

    assert (victim.certain, victim.score) == (False, 901)


def test_a_line_that_a_mail_program_folded() -> None:
    at = NEW.index("anon-rss")

    assert read(NEW[:at], NEW[at:]) == read(NEW)


def test_several_of_a_group() -> None:
    assert [one.pid for one in read(NEW, NEW.replace("93", "94"))] == [93, 94]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    read(text, f"Killed process {text}", f"Out of memory: Killed process 1 (a) total-vm:{text}")

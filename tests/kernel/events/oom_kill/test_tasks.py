# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of tasks, by the columns of its head."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.kernel.events.oom_kill import tasks as oom_tasks
from keepsane.kernel.events.oom_kill.tasks import parse_tasks
from tests.lines import records

NEW = """\
[    1.500000] [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes \
swapents oom_score_adj name
[    1.500001] [    143]     0   144    25462    25259    24928        1       330   241664        5     \
      -17 tail
[    1.500002] [1833436]  1000 1833    42653      656      600       56         0   102400        0      \
       0 (sd-pam) 3 x
"""
MIDDLE = """\
[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
[  390]     0   390    39012     6739      78       51         -1000 systemd-journal
"""
OLD = """\
[ pid ]   uid  tgid total_vm      rss cpu oom_adj name
[  390]    48   390    39012     6739   1     -17 httpd
"""


def test_since_6_8() -> None:
    tail, pam = parse_tasks(records(NEW.splitlines())).tasks

    assert (tail.pid, tail.uid, tail.tgid, tail.total_vm_pages, tail.rss_pages) == (143, 0, 144, 25462, 25259)
    assert (tail.rss_anon_pages, tail.rss_file_pages, tail.rss_shmem_pages) == (24928, 1, 330)
    assert (tail.pgtables_bytes, tail.swapents_pages, tail.oom_score_adj) == (241664, 5, -17)
    assert (tail.comm, tail.line) == ("tail", 2)
    assert pam.comm == "(sd-pam) 3 x"


def test_before_4_15() -> None:
    (task,) = parse_tasks(records(MIDDLE.splitlines())).tasks

    assert (task.nr_ptes, task.pgtables_bytes, task.swapents_pages) == (78, None, 51)
    assert (task.oom_score_adj, task.comm) == (-1000, "systemd-journal")


def test_before_2_6_36() -> None:
    (task,) = parse_tasks(records(OLD.splitlines())).tasks

    assert (task.oom_score_adj, task.swapents_pages, task.comm) == (-17, None, "httpd")


def test_a_table_without_its_head_is_counted_and_not_guessed() -> None:
    assert parse_tasks(records(MIDDLE.splitlines()[1:])) == ((), 1)


def test_a_damaged_row_is_counted() -> None:
    table = parse_tasks(records([*MIDDLE.splitlines(), "[  391]     0   391    39"]))

    assert (len(table.tasks), table.left_out) == (1, 1)


def test_no_more_than_the_limit() -> None:
    rows = [MIDDLE.splitlines()[1]] * (oom_tasks.MAX_TASKS + 3)
    table = parse_tasks(records([MIDDLE.splitlines()[0], *rows]))

    assert (len(table.tasks), table.left_out) == (oom_tasks.MAX_TASKS, 3)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=60), st.sampled_from((NEW + MIDDLE + OLD).splitlines())), max_size=20)
)
def test_any_lines(lines: list[str]) -> None:
    parse_tasks(records(lines))

# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.machine import BOOT_ID
from keepsane.memory.record.chunk import pack_chunk, unpack_chunk
from keepsane.memory.record.series import BUCKETS, Curves, Point, Series, curves_of, series_of
from keepsane.memory.snapshot import TIME, Snapshot

BEGAN = 1_700_000_000
SLABS, COUNTED = "SUnreclaim:   400 kB\n", "nr_slab_unreclaimable 100\n"
NODE = "sys/devices/system/node/node0/vmstat"


def sample(second: float, uptime: float | None = None, **files: str) -> Snapshot:
    paths = {
        "vmstat": "proc/vmstat",
        "memory": "proc/pressure/memory",
        "meminfo": "proc/meminfo",
        "node": NODE,
        "boot": BOOT_ID,
    }
    up = 100 + second if uptime is None else uptime
    clocks = {TIME: f"{BEGAN + second:.2f}\n", "proc/uptime": f"{up:.2f} 1.00\n"}
    return Snapshot(files={**clocks, **{paths[name]: text for name, text in files.items()}})


def followed(*chunks: Sequence[Snapshot]) -> Curves:
    curves = curves_of(unpack_chunk(pack_chunk(chunk)) for chunk in chunks)
    assert curves is not None
    return curves


def one(curves: Curves, name: str) -> Series:
    return next(series for series in curves.series if series.name == name)


def values(series: Series) -> list[list[float]]:
    return [[round(point.value, 6) for point in run] for run in series.runs]


def test_a_counter_becomes_a_rate_over_the_uptime_between() -> None:
    scans = [
        sample(at, vmstat=f"pgscan_direct {number}\n") for at, number in ((0, 10), (1, 10), (2, 42), (4, 142))
    ]
    series = one(followed(scans), "pgscan_direct")
    # 0 in a second, 32 in a second, 100 in two seconds.
    assert values(series) == [[0, 32, 50]]
    assert [point.epoch_seconds - BEGAN for point in series.runs[0]] == [1, 2, 4]


def test_a_text_with_nuls_has_no_numbers_and_costs_no_other() -> None:
    meminfo = ("MemAvailable: 1024 kB\n", "MemAvailable: 4\0\0000 kB\n", "MemAvailable: 2048 kB\n")
    series = one(followed([sample(at, meminfo=text) for at, text in enumerate(meminfo)]), "MemAvailable")
    assert [value for run in values(series) for value in run] == [1, 2]


def test_a_counter_that_the_kernel_splits_by_zone_is_added_up() -> None:
    text = "allocstall_dma 0\nallocstall_dma32 {}\nallocstall_normal {}\nallocstall_movable 5\n"
    series = one(
        followed([sample(0, vmstat=text.format(1, 2)), sample(1, vmstat=text.format(4, 9))]), "allocstall"
    )
    assert values(series) == [[10]]  # 4 - 1 + 9 - 2


def test_a_rate_goes_on_over_the_seam_of_two_chunks() -> None:
    first, second = ([sample(at, vmstat=f"pswpin {at * 7}\n")] for at in (0, 1))
    assert values(one(followed(first, second), "pswpin")) == [[7]]


def test_pressure_is_the_share_of_the_time_from_its_total() -> None:
    text = (
        "some avg10=1.00 avg60=0.05 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    )
    curves = followed([sample(0, memory=text.format(0, 0)), sample(1, memory=text.format(250_000, 10_000))])
    assert values(one(curves, "some")) == [[25]] and values(one(curves, "full")) == [[1]]


def test_available_memory_is_told_in_megabytes() -> None:
    curves = followed(
        [sample(0, meminfo="MemAvailable:    2048 kB\n"), sample(1, meminfo="MemAvailable:   10240 kB\n")]
    )
    assert values(one(curves, "MemAvailable")) == [[2, 10]]


def test_free_memory_of_a_node_is_in_pages_where_the_size_of_a_page_is_not_known() -> None:
    series = one(followed([sample(0, node="nr_free_pages 77\n")]), "nr_free_pages")
    assert (series.unit, series.label, values(series)) == ("pages", "free on node 0", [[77]])


def test_free_memory_of_a_node_is_in_megabytes_where_it_is() -> None:
    # 400 kB in 100 pages: a page has 4 kB, so 512 pages are 2 MB.
    series = one(
        followed([sample(0, node="nr_free_pages 512\n", meminfo=SLABS, vmstat=COUNTED)]), "nr_free_pages"
    )
    assert (series.unit, values(series)) == ("MB", [[2]])


def test_what_the_kernel_does_not_count_has_no_points_and_no_extremes() -> None:
    series = one(
        followed([sample(0, vmstat="pswpin 1\n"), sample(1, vmstat="pswpin 1\n")]), "zone_reclaim_success"
    )
    assert (series.runs, series.least, series.middle, series.most) == ((), None, None, None)


def test_a_line_is_broken_where_samples_are_missing_and_has_no_rate_over_the_gap() -> None:
    scans = [sample(at, vmstat=f"pgscan_direct {at}\n") for at in (0, 1, 2, 3, 60, 61, 62)]
    assert values(one(followed(scans), "pgscan_direct")) == [[1, 1, 1], [1, 1]]


def test_two_samples_close_together_make_no_rate() -> None:
    scans = [sample(at, vmstat=f"pgscan_direct {round(at * 100)}\n") for at in (0, 1, 1.01, 2.01)]
    assert values(one(followed(scans), "pgscan_direct")) == [[100, 100]]


def test_a_restart_is_told_and_has_no_rate_over_it() -> None:
    before = [sample(at, 500 + at, vmstat="pgscan_direct 900\n", boot="a\n") for at in range(3)]
    after = [sample(at, at - 40, vmstat=f"pgscan_direct {at}\n", boot="b\n") for at in (50, 51, 52)]
    curves = followed(before, after)
    assert list(curves.restarts) == [BEGAN + 40]
    assert values(one(curves, "pgscan_direct")) == [[0, 0], [1, 1]]


def test_a_spike_of_one_second_in_a_day_stays_as_high_as_it_was() -> None:
    day = 86_400
    epochs = [float(at) for at in range(day)]
    flat = [1.0] * day
    flat[31_337], flat[50_000] = 9000.0, 0.0
    series = series_of(epochs, flat, 0, day, 3.5, name="", label="", unit="")
    assert series.most == Point(31_337, 9000) and series.least == Point(50_000, 0) and series.middle == 1
    assert {Point(31_337, 9000), Point(50_000, 0)} <= set(series.runs[0])
    assert len(series.runs) == 1 and len(series.runs[0]) <= 2 * BUCKETS + 2


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e9, 1e9)), max_size=40), st.floats(0.1, 1e5))
def test_any_points_are_drawn_within_their_extremes(points: list[tuple[float, float]], gap: float) -> None:
    series = series_of(
        [time for time, _ in points], [value for _, value in points], 0, 1e6, gap, name="", label="", unit=""
    )
    drawn = [point for run in series.runs for point in run]
    assert set(drawn) <= set(points)
    assert max((point.value for point in drawn), default=None) == (series.most and series.most.value)
    assert min((point.value for point in drawn), default=None) == (series.least and series.least.value)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from((TIME, "proc/uptime", "proc/vmstat", "proc/meminfo", NODE, BOOT_ID)),
            st.text() | st.sampled_from(("5.00\n", "7.00 1.00\n", "pgscan_direct 8\n")),
        )
    )
)
def test_any_files_make_curves_or_none(files: list[dict[str, str]]) -> None:
    curves = curves_of([unpack_chunk(pack_chunk([Snapshot(files=each) for each in files]))])
    assert curves is None or curves.samples <= len(files)

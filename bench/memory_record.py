# SPDX-License-Identifier: GPL-2.0-or-later
"""
How large a record of one day at one sample a second is, what writing it costs, and how fast it is read.

Usage: python -m bench.memory_record [SAMPLES]

The samples are this machine's own, with a second node beside the first; its counters go on by themselves:
those that ever counted rise at their pace since boot, in bursts, and sizes walk up and down. Counted are
whole processes that open the record, judge the minute around its worst moment, and write the page of plots.

The peer of the record's own columns is zstd alone, in long-window mode, over the same texts file by file.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import zstandard

from keepsane.memory.capture.sample import SLOW_EVERY, read_sample
from keepsane.memory.record.chunk import THOROUGH, pack_chunk, unpack_chunk
from keepsane.memory.record.record import SAMPLES_IN_CHUNK, open_record
from keepsane.memory.record.series import numbers_in
from keepsane.memory.snapshot import TIME, Snapshot

DAY = 86_400
BEGAN = 1_764_000_000
WORST = 0.6
"""The share of the day after which zone reclaim bites for three minutes."""
CHEAP = re.compile(r"proc/(uptime|vmstat|pressure/\w+)|sys/devices/system/node/node\d/vmstat")
SLOW = re.compile(r"proc/(meminfo|zoneinfo|buddyinfo)|sys/devices/system/node/node\d/(meminfo|numastat)")
NUMBER = re.compile(r"(?<![\w.])\d+(?![\d.])")
SIZE = re.compile(
    r"(?:nr_(?:zone_)?(?:free_pages|(?:in)?active_\w+|anon_pages|file_pages|mapped|dirty|writeback|slab_\w+"
    r"|page_table_pages|kernel_stack)|free|count:|(?:Mem(?:Free|Available|Used)|(?:Ina|A)ctive(?:\(\w+\))?"
    r"|Cached|Buffers|FilePages|Dirty|AnonPages|Mapped|Slab|S(?:Unr|R)eclaim\w*|KernelStack|PageTables"
    r"|Committed_AS):|[a-zA-Z0-9] +)\s+$|^ +$"
)
COUNTER = re.compile(
    r"\b(?:pg|allocstall|numa_|interleave|local_|other_|drop|kswapd|compact|thp_|workingset)\w* $|total=$"
)
RECLAIM = re.compile(r"pgscan_direct\w* $|pgsteal_direct\w* $|zone_reclaim_failed $|some .*total=$")
VMSTAT, COUNTED = "proc/vmstat", "pgfault"
ONE_COUNTER = re.compile(rb"\n" + COUNTED.encode() + rb" (\d+)")
READ = """
import sys
from pathlib import Path
from keepsane.memory.record.replay import read_record
from keepsane.memory.record.series import read_curves
from keepsane.memory.state import state_of
from keepsane.render.html.page import page
from keepsane.render.html.plot import plots_element
from keepsane.judge import run
path, at = Path(sys.argv[1]), float(sys.argv[2])
if "judge" in sys.argv:
    list(run((state_of(read_record(path, around=at, seconds=60)),)))
if "plot" in sys.argv:
    Path(sys.argv[3]).write_text(page(path.name, (plots_element(read_curves(path), asked=(at,)),)))
"""


def main() -> None:
    """Print the figures; with KEEP as a second argument the record and the page stay there."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else DAY
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder)
        record, page = kept / "day.record", kept / "day.html"
        record.unlink(missing_ok=True)
        write_milliseconds = written(record, samples) / samples * 1000
        print(f"{samples} samples: {record.stat().st_size / 1e6:.1f} MB")
        print(
            f"writing takes {write_milliseconds:.2f} ms a sample, {write_milliseconds / 10:.3f} % of one CPU"
        )
        for what in (("judge",), ("plot",), ("judge", "plot")):
            print(f"{' and '.join(what)}: {read_seconds(record, page, samples, what):.2f} s")
        print(f"the page has {page.stat().st_size / 1e3:.0f} kB")
    against_zstd(list(made_up(min(samples, SAMPLES_IN_CHUNK), whole=None)))


def against_zstd(snapshots: list[Snapshot]) -> None:
    """Print how large ten minutes are, and how long one counter takes to read, by columns and without."""
    paths = sorted({path for snapshot in snapshots for path in snapshot.files})
    texts = "".join(f"\0{snapshot.files.get(path, '')}" for path in paths for snapshot in snapshots).encode()
    whole = zstandard.ZstdCompressionParameters.from_level(THOROUGH, window_log=27, enable_ldm=True)
    columns, plain = pack_chunk(snapshots), zstandard.ZstdCompressor(compression_params=whole).compress(texts)
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    read_columns = best_milliseconds(lambda: numbers_in(unpack_chunk(columns).tracks[VMSTAT], COUNTED))
    read_plain = best_milliseconds(lambda: list(map(int, ONE_COUNTER.findall(unpacker.decompress(plain)))))
    print(f"{len(snapshots)} samples by columns: {len(columns)} bytes, one counter in {read_columns:.1f} ms")
    print(f"by zstd alone: {len(plain)} bytes, one counter in {read_plain:.1f} ms")


def best_milliseconds(read: Callable[[], list[int] | list[int | None]]) -> float:
    """The least of five: what others on the machine do only adds to it."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(read()) > 1
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def written(record: Path, samples: int) -> float:
    """Write the record; the seconds of CPU that it took, without those that make up the samples."""
    seconds = 0.0
    with closing(open_record(record)) as recorder:
        for snapshot in made_up(samples, recorder.wants_whole):
            began = time.thread_time()
            recorder.add(snapshot)
            seconds += time.thread_time() - began
        began = time.thread_time()
    return seconds + time.thread_time() - began


def read_seconds(record: Path, page: Path, samples: int, what: tuple[str, ...]) -> float:
    """Seconds that a whole process takes."""
    at = str(BEGAN + samples * WORST + 60)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", READ, str(record), at, str(page), *what], check=True)
    return time.perf_counter() - began


def made_up(samples: int, whole: object) -> Iterator[Snapshot]:
    """Yield samples of a made-up day; everything where `whole()` says so, as read_samples() would."""
    chance = random.Random(5)
    base = dict(read_sample().files)
    base |= {path.replace("/node0/", "/node1/"): text for path, text in base.items() if "/node0/" in path}
    base.pop("dmesg", None)
    uptime = float(base["proc/uptime"].split()[0])
    moving = {path: Moving(text, uptime, chance) for path, text in base.items() if CHEAP.fullmatch(path)}
    moving |= {path: Moving(text, uptime, chance) for path, text in base.items() if SLOW.fullmatch(path)}
    for second in range(samples):
        biting = 0 <= second - samples * WORST < 180
        everything = second == 0 or (callable(whole) and whole())
        files = {TIME: f"{BEGAN + second + chance.random() / 100:.2f}\n"}
        for path, file in moving.items():
            if CHEAP.fullmatch(path) or everything or second % SLOW_EVERY == 0:
                files[path] = file.after(1 if CHEAP.fullmatch(path) else SLOW_EVERY, biting)
        files["proc/uptime"] = f"{uptime + second + chance.random() / 100:.2f} {uptime * 1.7 + second:.2f}\n"
        yield Snapshot(files=({**base, **files} if everything else files))


class Moving:
    """A file whose numbers go on by themselves."""

    def __init__(self, text: str, uptime: float, chance: random.Random) -> None:
        """Take the numbers as they are now, and the pace of counters from the time since boot."""
        self.parts = NUMBER.split(text)
        self.numbers = [float(number) for number in NUMBER.findall(text)]
        self.chance = chance
        self.paces = [number / uptime for number in self.numbers]
        self.sizes = [at for at, part in enumerate(self.parts[:-1]) if SIZE.search(part)]
        self.counters = [at for at, part in enumerate(self.parts[:-1]) if COUNTER.search(part)]
        self.reclaim = [at for at, part in enumerate(self.parts) if RECLAIM.search(part)]

    def after(self, seconds: int, biting: bool) -> str:
        """Give the text so many seconds later."""
        burst = self.chance.choice((0.0, 0.2, 0.5, 1.0, 3.3)) * seconds
        for at in self.sizes:
            number = self.numbers[at]
            self.numbers[at] = max(number + self.chance.gauss(0, 2 * number**0.5), 1.0)
        for at in self.counters:
            self.numbers[at] += self.paces[at] * burst * self.chance.random()
        for at in self.reclaim if biting else ():
            self.numbers[at] += self.chance.randrange(20_000)
        numbers = (f"{number:.0f}" for number in self.numbers)
        return "".join(part for pair in zip(self.parts, (*numbers, ""), strict=True) for part in pair)


if __name__ == "__main__":
    main()

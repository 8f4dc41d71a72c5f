# SPDX-License-Identifier: GPL-2.0-or-later
"""
How long it takes to keep a kernel with a vmlinux of 220 MB, and how much is kept.

Usage: python -m bench.publish_time [FOLDER]

The vmlinux is the one that `make live` built, as often as 220 MB hold it; without it the first 220 MB of the
one it fetched, which Debian packed tighter. FOLDER is where it all is written, by default here. `zstd -1` and
`cp` of the same file run between.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.measure import seconds
from keepsane.netboot.store import Build, Store

VMLINUX_BYTES, KERNEL_BYTES = 220_000_000, 14_000_000
VMLINUX = ("netboot/linux/vmlinux", "debug/6.12*/vmlinux", "debug/*/vmlinux")
TIMES = 5
LAB = Path(os.environ.get("LAB", Path.home() / ".cache" / "keepsane-lab"))
SAID = {
    "release": "6.12.9",
    "number": "#1",
    "banner": "",
    "build_id": None,
    "tree": "",
    "commit": "",
    "subject": "",
}


def main() -> None:
    """Measure in a folder that is removed afterwards, and print the figures."""
    real = next((path for part in VMLINUX for path in LAB.glob(part)), None)
    if real is None:
        raise SystemExit(f"there is no vmlinux below {LAB}/debug: make live fetches it")
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as folder:
        measure(real, Path(folder))


def measure(real: Path, folder: Path) -> None:
    """Keep it TIMES times, each time with another end, so that none is there already."""
    vmlinux, kernel = folder / "vmlinux", folder / "bzImage"
    with vmlinux.open("wb") as out:
        while out.tell() < VMLINUX_BYTES:
            with real.open("rb") as file:
                out.write(file.read(VMLINUX_BYTES - out.tell()))
    kernel.write_bytes(os.urandom(KERNEL_BYTES))  # packed already, as a bzImage is
    store = Store(folder / "store")
    took: dict[str, list[float]] = {"keepsane": [], "zstd -1": [], "cp": []}
    for number in range(TIMES):
        with vmlinux.open("ab") as file:
            file.write(bytes([number]))
        begun = time.perf_counter()
        build = store.publish({"kernel": kernel, "vmlinux": vmlinux}, SAID)
        took["keepsane"].append(time.perf_counter() - begun)
        took["zstd -1"].append(seconds(["zstd", "-1", "-q", "-f", vmlinux, "-o", folder / "packed"]))
        took["cp"].append(seconds(["cp", vmlinux, folder / "copy"]))
    load, kept_bytes = os.getloadavg()[0], kept(store, build)
    for name, times in took.items():
        print(f"{name:9}{median(times):6.2f} s, {min(times):.2f} to {max(times):.2f}")
    packed_bytes = (folder / "packed").stat().st_size
    print(f"of {real}")
    print(f"kept {kept_bytes / 1e6:.1f} MB of 220 MB, zstd -1 keeps {packed_bytes / 1e6:.1f} MB")
    print(f"load {load:.1f} on {os.cpu_count()} cores")


def kept(store: Store, build: Build) -> int:
    """What the vmlinux takes of the disk."""
    return store.path(build, "vmlinux").stat().st_size


if __name__ == "__main__":
    main()

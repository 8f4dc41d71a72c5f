# SPDX-License-Identifier: GPL-2.0-or-later
"""
Hold twenty machines for ten minutes, then offer builds and time how soon each machine's script comes.

    python -m bench.netboot_holds          python -m bench.netboot_holds 60

The machines run our scripts as iPXE does, half of them iPXE of 2019, half 2.x, over loopback. The server's
processor time is the kernel's count of it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.netboot_lab import Home, card, make_home
from keepsane.netboot.history import History
from keepsane.netboot.script import first_script
from keepsane.netboot.store import Store
from tests.ipxe_http import Http
from tests.ipxe_script import Booted, Machine, Stopped

MACHINES, OFFERS = 20, 60


class Noting(Http):
    """Notes when the script that boots began to come."""

    boots_at: float | None = None
    longest_screen_seconds = 0.0
    last_screen: float | None = None

    async def fetch(self, url: str, timeout_seconds: float | None) -> bytes:
        """Get an address, and note what it was."""
        body = await super().fetch(url, timeout_seconds)
        now = time.monotonic()
        if b"\nkernel " in body:
            self.boots_at, self.last_screen = now, None
        elif body.startswith(b"#!ipxe"):
            if self.last_screen is not None:
                self.longest_screen_seconds = max(self.longest_screen_seconds, now - self.last_screen)
            self.last_screen = now
        return body


def main() -> None:
    """Print what the server took, and how late the scripts were."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "initrd").write_bytes(bytes(1 << 16))
        home = make_home(folder, MACHINES, folder / "initrd")
        with home.served("127.0.0.1") as (server, address):
            asyncio.run(_measured(home, server.pid, address, seconds))


async def _measured(home: Home, pid: int, address: str, seconds: float) -> None:
    https = [Noting(number % 2 == 1) for number in range(MACHINES)]
    waiting = [asyncio.create_task(_run(http, number, address)) for number, http in enumerate(https)]
    await asyncio.sleep(3)
    before, begun = _processor_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    share = (_processor_seconds(pid) - before) / (time.monotonic() - begun)
    lost = sum(task.done() for task in waiting)
    oldest = max(http.longest_screen_seconds for http in https)
    print(f"{MACHINES} holds of {seconds:.0f} s: {lost} lost, the server took {share:.2%} of a core")
    print(f"oldest screen: {oldest:.1f} s")
    late = await _offers(home, https, waiting, address)
    print(
        f"offer to the first byte of its script, {len(late)} times: median {statistics.median(late):.3f} s,"
        f" worst {max(late):.3f} s"
    )
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def _offers(
    home: Home, https: list[Noting], waiting: list[asyncio.Task[Booted | Stopped]], address: str
) -> list[float]:
    await asyncio.to_thread(home.must, "build", "--machine", "box-0", "--", "true")
    await waiting[0]
    waiting[0] = asyncio.create_task(_run(https[0], 0, address))
    history, store = History(home.folder / "netboot"), Store(home.folder / "netboot")
    build = store.builds()[0].id
    late = []
    for number in range(OFFERS):
        box = number % MACHINES
        await asyncio.sleep(0.3)
        offered = time.monotonic()
        history.offer(f"box-{box}", build)
        if not isinstance(await waiting[box], Booted):
            raise SystemExit(f"box-{box} is lost")
        late.append((https[box].boots_at or offered) - offered)
        waiting[box] = asyncio.create_task(_run(https[box], box, address))
    history.close()
    return late


async def _run(http: Noting, number: int, address: str) -> Booted | Stopped:
    settings = {
        "net0/mac:hexhyp": card(number).replace(":", "-"),
        "net0/ip": "10.0.2.15",
        "platform": "pcbios",
    }
    try:
        return await Machine(http.fetch, asyncio.sleep, settings).run(first_script(address, 0))
    finally:
        await http.close()


def _processor_seconds(pid: int) -> float:
    """Read utime and stime of a process, fields 14 and 15 of proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()

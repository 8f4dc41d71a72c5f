# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whole machines, iPXE of 2019 and 2.x, at the real server over loopback, while a clock jumps.

The scripts are run as iPXE runs them (tests/ipxe_script.py), the connection kept as it keeps it
(tests/ipxe_http.py): what a machine booted is what it ends in, not what a script looks like.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from keepsane.listen.server import Limits, Server, bind
from keepsane.netboot.history import History
from keepsane.netboot.script import first_script
from keepsane.netboot.store import Build, Store
from keepsane.services import netboot_server
from keepsane.services.netboot_server import NetbootServer
from tests.ipxe_http import Http
from tests.ipxe_script import Booted, Machine, Stopped
from tests.virtual_loop import run_virtually

COMMAND_LINE = 'quiet t="a && b || c"  # \\ ip=${net0/ip} box=${net0/mac:hexhyp}'
BOOTED_WITH = 'quiet t="a && b || c"  # \\ ip=10.0.2.15 box=52-54-00-00-00-0'
SAID = {
    "release": "6.12.9-test+",
    "number": "#12",
    "banner": "",
    "build_id": None,
    "tree": "/linux && reboot || ${x}",
    "commit": "",
    "subject": "",
}
GENERATIONS = pytest.mark.parametrize("is_new", [False, True], ids=["2019", "2.x"])


class Bench:
    """Up to ten machines, what is kept for them, and a server that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "machines").mkdir()
        (folder / "initrd.gz").write_bytes(b"initrd" * 1000)
        escaped = COMMAND_LINE.replace("\\", "\\\\").replace('"', '\\"')
        for number in range(10):
            (folder / "machines" / f"box-{number}.toml").write_text(
                f'mac = "{self.card(number)}"\ninitrd = "../initrd.gz"\ncommand_line = "{escaped}"\n'
            )
        self.store, self.history = Store(folder / "store"), History(folder / "store")
        self.port = 0

    @staticmethod
    def card(number: int) -> str:
        return f"52-54-00-00-00-0{number}"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[NetbootServer]:
        answers = NetbootServer(self.store, self.history, self.folder / "machines", lambda said: None)
        server = Server(answers.answer, Limits())
        bound = bind("127.0.0.1", self.port)
        self.port = bound.getsockname()[1]
        await server.start(bound)
        watching = asyncio.create_task(answers.watch())
        try:
            yield answers
        finally:
            watching.cancel()
            await server.close()

    def build(self, content: bytes = b"kernel") -> Build:
        (self.folder / "bzImage").write_bytes(content)
        return self.store.publish({"kernel": self.folder / "bzImage"}, SAID)

    async def run(
        self, http: Http, number: int = 0, tries: int = 0, platform: str = "pcbios"
    ) -> Booted | Stopped:
        """Start a machine, and give what it ends in."""
        settings = {"net0/mac:hexhyp": self.card(number), "net0/ip": "10.0.2.15", "platform": platform}
        try:
            machine = Machine(http.fetch, asyncio.sleep, settings)
            return await machine.run(first_script(f"http://127.0.0.1:{self.port}", tries))
        finally:
            await http.close()
            await asyncio.sleep(0)  # for the transport to close


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.history.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(("is_new", "gave_up"), [(False, False), (True, True)])
def test_the_model_knows_the_watchdog_of_2_x(is_new: bool, gave_up: bool) -> None:
    """A server that accepts and says nothing: 2.x ends after 120 s, 2019 waits as long as it is told."""

    async def run() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            http = Http(is_new)
            asking = asyncio.create_task(http.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/", None))
            done, _ = await asyncio.wait([asking], timeout=300)
            if not done:
                asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await http.close()
            await asyncio.sleep(0)
            return bool(done)

    assert run_virtually(run()) is gave_up


@GENERATIONS
def test_ten_machines_are_held_for_ten_minutes_and_boot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    monkeypatch.setattr(netboot_server, "LOOK_SECONDS", 1.0)  # how soon is another test's business
    https = [Http(is_new) for _ in range(10)]

    async def run() -> list[Booted | Stopped]:
        async with bench.served():
            waiting = [asyncio.create_task(bench.run(http, number)) for number, http in enumerate(https)]
            await asyncio.sleep(600)
            build = bench.build()
            for number in range(10):
                bench.history.offer(f"box-{number}", build.id)
            return await asyncio.gather(*waiting)

    booted = run_virtually(run())
    assert [end.kernel for end in booted if isinstance(end, Booted)] == [b"kernel"] * 10
    for number, end in enumerate(booted):
        assert isinstance(end, Booted)
        assert end.initrds == (("initrd", b"initrd" * 1000),)
        assert end.command_line.startswith("initrd=initrd keepsane.boot=")
        assert f" {BOOTED_WITH}{number}" in end.command_line
    assert all(http.longest_silence_seconds < 5 for http in https), "a screen is never older"
    assert all(http.gets > 100 for http in https)


@GENERATIONS
def test_a_server_that_is_gone_for_a_minute_is_asked_until_it_is_back(bench: Bench, is_new: bool) -> None:
    async def run() -> Booted | Stopped:
        async with bench.served():
            http = Http(is_new)
            waiting = asyncio.create_task(bench.run(http))
            await until(lambda: http.gets > 2)
        await asyncio.sleep(60)
        bench.history.offer("box-0", bench.build().id)
        async with bench.served():
            return await waiting

    assert isinstance(run_virtually(run()), Booted)


@GENERATIONS
def test_a_transfer_that_breaks_leads_to_the_same_build_again(bench: Bench, is_new: bool) -> None:
    bench.history.offer("box-0", bench.build(b"k" * 100_000).id)

    class Breaking(Http):
        async def fetch(self, url: str, timeout_seconds: float | None) -> bytes:
            if url.endswith("/initrd") and not self.repeats:
                self.repeats += 1
                (bench.folder / "initrd.gz").rename(bench.folder / "gone")
                with suppress(OSError):
                    return await super().fetch(url, timeout_seconds)
            if (bench.folder / "gone").exists():
                (bench.folder / "gone").rename(bench.folder / "initrd.gz")
            return await super().fetch(url, timeout_seconds)

    async def run() -> Booted | Stopped:
        async with bench.served():
            return await bench.run(Breaking(is_new))

    end = run_virtually(run())
    assert isinstance(end, Booted) and end.initrds == (("initrd", b"initrd" * 1000),)
    assert len(bench.history.boots()) == 1


def test_a_machine_that_was_told_so_gives_up_and_starts_its_disk(bench: Bench) -> None:
    bench.port = free_port()
    assert run_virtually(bench.run(Http(False), tries=5)) == Stopped("local disk")


def test_uefi_gives_up_by_an_exit_through_both_scripts(bench: Bench) -> None:
    bench.port = free_port()
    assert run_virtually(bench.run(Http(False), tries=5, platform="efi")) == Stopped("exit")


def test_a_repeated_get_takes_nothing(bench: Bench) -> None:
    """A pooled connection that closes without a byte: iPXE asks the same again by itself."""
    bench.history.offer("box-0", bench.build().id)

    class Repeating(Http):
        async def fetch(self, url: str, timeout_seconds: float | None) -> bytes:
            first = await super().fetch(url, timeout_seconds)
            return first if "/w?" in url else await super().fetch(url, timeout_seconds)

    async def run() -> Booted | Stopped:
        async with bench.served():
            return await bench.run(Repeating(True))

    assert isinstance(run_virtually(run()), Booted)
    assert len(bench.history.boots()) == 1

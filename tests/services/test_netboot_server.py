# SPDX-License-Identifier: GPL-2.0-or-later
"""The server against a client that does what iPXE does with a script: ask, fetch, ask again."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from keepsane.listen.answer import Answer, FileBody
from keepsane.listen.request import Request
from keepsane.netboot.boot import Boot
from keepsane.netboot.history import History
from keepsane.netboot.store import Build, Store
from keepsane.services import netboot_server
from keepsane.services.netboot_server import NetbootServer

MAC = "52-54-00-12-34-56"
SAID = {
    "release": "6.12.9-test+",
    "number": "#12",
    "banner": "",
    "build_id": None,
    "tree": "/linux && reboot",
    "commit": "",
    "subject": "",
}


class Lab:
    """A server with one machine, what is told, and requests as iPXE makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines = folder / "machines"
        self.machines.mkdir()
        (folder / "initrd.gz").write_bytes(b"initrd")
        self.describe('initrd = "../initrd.gz"\ncommand_line = "quiet a && b"')
        self.store, self.history = Store(folder / "store"), History(folder / "store")
        self.told: list[str] = []
        self.server = NetbootServer(self.store, self.history, self.machines, self.told.append)

    def describe(self, more: str = "") -> None:
        (self.machines / "box.toml").write_text(f'mac = "{MAC}"\n{more}\n')

    def build(self, content: bytes) -> Build:
        (self.folder / "bzImage").write_bytes(content)
        return self.store.publish({"kernel": self.folder / "bzImage"}, SAID)

    async def get(self, path: str, peer: str = "10.0.2.15", **query: str) -> Answer:
        request = Request(
            method="GET",
            path=path,
            query=query,
            headers={"host": "10.0.2.2:8069"},
            peer=peer,
            stays=True,
            length_bytes=0,
        )
        return await self.server.answer(request)

    async def ask(self, peer: str = "10.0.2.15", **query: str) -> str:
        answer = await self.get("/w", peer, m=MAC, **query)
        assert answer.status == 200
        assert isinstance(answer.body, bytes) and answer.body.startswith(b"#!ipxe\n")
        return answer.body.decode("ascii")

    async def fetch(self, script: str, peer: str = "10.0.2.15", most: int = 9) -> dict[str, bytes]:
        """Take the files of a boot script, at most so many, as a client that reads each to its end."""
        got = {}
        for url in re.findall(r"(?m)^(?:kernel|initrd) .*? (f/\S+)", script)[:most]:
            answer = await self.get(f"/{url}", peer)
            assert answer.status == 200 and isinstance(answer.body, FileBody)
            got[url.rpartition("/")[2]] = answer.body.path.read_bytes()
            assert answer.sent is not None
            answer.sent(answer.body.start_byte, answer.body.end_byte)
        return got


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(netboot_server, "HOLD_SECONDS", 0.05)
    monkeypatch.setattr(netboot_server, "LOOK_SECONDS", 0.005)
    lab = Lab(tmp_path)
    yield lab
    lab.history.close()


def shown(script: str) -> str:
    """Give what a script shows: the texts of its hexraw settings."""
    return "\n".join(bytes.fromhex(code).decode() for code in re.findall(r"set t:hexraw (\w*)", script))


def test_a_machine_waits_then_boots_what_was_published(lab: Lab) -> None:
    async def run() -> None:
        assert "nothing is being built" in shown(await lab.ask())
        build = lab.build(b"one")
        lab.history.offer("box", build.id)
        script = await lab.ask(k="1")
        assert await lab.fetch(script) == {"kernel": b"one", "initrd": b"initrd"}
        assert "nothing is being built" in shown(await lab.ask())
        assert lab.told == [f"box boots {build.id}", "box came back"]

    asyncio.run(run())


def test_a_machine_that_is_held_gets_the_kernel_when_it_is_there(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netboot_server, "HOLD_SECONDS", 30.0)

    async def run() -> None:
        watching = asyncio.create_task(lab.server.watch())
        number = lab.history.begin("box", "/linux")
        held = asyncio.create_task(lab.ask(k="1"))
        await asyncio.sleep(0.05)
        lab.history.progress(number, "CC fs/inode.o")
        await asyncio.sleep(0.05)
        assert not held.done(), "a line of make is no reason to ask anew"
        lab.history.publish(number, lab.build(b"one").id)
        script = await asyncio.wait_for(held, 10)
        watching.cancel()
        assert "kernel" in await lab.fetch(script)

    asyncio.run(run())


def test_until_every_file_is_taken_nothing_was_booted(lab: Lab) -> None:
    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        first = await lab.ask()
        await lab.fetch(first, most=1)
        second = await lab.ask()
        assert first != second, "another nonce"
        assert set(await lab.fetch(second)) == {"kernel", "initrd"}
        assert lab.history.boots("box")[0].offer == 1

    asyncio.run(run())


def test_who_only_looks_takes_nothing(lab: Lab) -> None:
    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        script = await lab.ask(peer="127.0.0.1")
        (url, *_) = re.findall(r"(f/\S+)", script)
        assert (await lab.get(f"/{url}", peer="10.0.2.15")).status == 404, "another address"
        assert lab.history.boots() == []

    asyncio.run(run())


def test_a_choice_of_the_menu_is_booted_and_changes_no_offer(lab: Lab) -> None:
    async def run() -> None:
        old = lab.build(b"old")
        lab.history.booted(boot_of(old, lab.history.offer("box", old.id)))
        number = lab.history.begin("box", "/linux")
        waiting = await lab.ask()
        chosen = re.findall(r"w\?m=\S+&k=0&b=([^&\s]+)", waiting)
        assert chosen == [old.id]
        assert (await lab.fetch(await lab.ask(k="0", b=chosen[0])))["kernel"] == b"old"
        lab.history.publish(number, lab.build(b"new").id)
        assert (await lab.fetch(await lab.ask()))["kernel"] == b"new"

    asyncio.run(run())


def boot_of(build: Build, offer: int) -> Boot:
    return Boot("0", "box", build.id, offer, "", "10.0.2.15", 1.0, 2.0)


def test_two_addresses_of_one_card_both_wait(lab: Lab) -> None:
    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        assert "kernel" in await lab.ask(peer="10.0.2.15")
        for peer in ("10.0.2.16", "10.0.2.15"):
            script = await lab.ask(peer=peer)
            assert "two machines ask as" in shown(script) and "f/" not in script

    asyncio.run(run())


def test_made_up_cards_do_not_silence_the_rest(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netboot_server, "HOLD_SECONDS", 0.0)
    monkeypatch.setattr(netboot_server, "MAX_TOLD", 4)

    async def run() -> None:
        for number in range(10):
            await lab.get("/w", m=f"02-00-00-00-00-0{number}")
        lab.history.offer("box", "20261201-000000-00000000")
        await lab.ask()

    asyncio.run(run())
    assert len(lab.told) == 5 and "cannot boot" in lab.told[-1]


def test_an_unknown_card_is_told_what_to_do(lab: Lab) -> None:
    async def run() -> str:
        answer = await lab.get("/w", m="52-54-00-00-00-00")
        assert isinstance(answer.body, bytes)
        return shown(answer.body.decode())

    said = asyncio.run(run())
    assert "52:54:00:00:00:00" in said and str(lab.machines) in said.replace("\n", "")


def test_the_screen_names_the_kernel_that_was_booted_last(lab: Lab) -> None:
    async def run() -> None:
        number = lab.history.begin("box", "/linux")
        lab.history.publish(number, lab.build(b"one").id)
        await lab.fetch(await lab.ask())
        screen = shown(await lab.ask())
        assert "its last kernel 6.12.9-test+ #12 was booted;\nthe next build boots by itself" in screen
        number = lab.history.begin("box", "/linux")
        lab.history.publish(number, lab.build(b"two").id)
        await lab.fetch(await lab.ask())
        nonce = lab.history.boots("box")[0].nonce
        lab.history.was_not_started(nonce, "10.0.2.15", "no kernel", lost_bytes=False)
        assert "its last kernel 6.12.9-test+ #12 was refused;\n" in shown(await lab.ask(k="1"))

    asyncio.run(run())


def test_what_failed_is_said_on_the_next_screen(lab: Lab) -> None:
    said = shown(asyncio.run(lab.ask(e="0x7f04818f")))
    assert "Secure Boot" in said and "https://ipxe.org/7f04818f" in said


@pytest.mark.parametrize(
    ("path", "query"),
    [("/", {}), ("/etc/passwd", {}), ("/f/../../etc/passwd", {}), ("/f/0/kernel", {}), ("/w/x", {})],
)
def test_nothing_else_is_served(lab: Lab, path: str, query: Mapping[str, str]) -> None:
    answer = asyncio.run(lab.get(path, **query))
    assert answer.status == 404 and answer.body == b"404\n"


def test_no_build_of_another_name_is_reached(lab: Lab) -> None:
    lab.build(b"one")
    assert asyncio.run(lab.get("/w", m=MAC, b="../../store")).status == 404


def test_a_file_of_a_machine_that_breaks_keeps_what_it_said(lab: Lab) -> None:
    async def run() -> None:
        await lab.ask()
        lab.describe("policy = 5")
        assert "nothing is being built" in shown(await lab.ask())
        await lab.ask()

    asyncio.run(run())
    (said,) = lab.told
    assert "policy is 5; write one of" in said and "what it said before holds" in said


def test_a_command_line_that_cannot_be_booted_is_never_booted(lab: Lab) -> None:
    async def run() -> None:
        await lab.ask()
        lab.describe('command_line = "root=${net0/filename}"')
        lab.history.offer("box", lab.build(b"one").id)
        assert b"quiet a && b".hex() in await lab.ask()

    asyncio.run(run())
    assert "command_line cannot be booted: it names a setting" in lab.told[0]


def test_a_boot_says_on_its_command_line_which_it_is_and_who_serves_it(lab: Lab) -> None:
    async def run() -> str:
        lab.history.offer("box", lab.build(b"one").id)
        return await lab.ask()

    script = asyncio.run(run())
    (nonce,) = set(re.findall(r" f/(\w+)/", script))
    assert f"keepsane.boot={nonce} keepsane.server=10.0.2.2:8069 quiet a && b" in shown_of_line(script)


def shown_of_line(script: str) -> str:
    return "".join(bytes.fromhex(code).decode() for code in re.findall(r"set c\d+:hexraw (\w*)", script))


def test_without_a_static_busybox_it_says_so_where_the_machine_waits(lab: Lab) -> None:
    async def run() -> str:
        lab.describe('initrd = "generated"\nbusybox = "/no/busybox"')
        lab.history.offer("box", lab.build(b"one").id)
        return await lab.ask()

    assert "cannot read /no/busybox for the generated initrd" in shown(asyncio.run(run()))
    assert "install Debian's busybox-static" in lab.told[0]


def test_a_card_that_is_nobodys_is_told_once(lab: Lab) -> None:
    async def run() -> None:
        for _ in range(3):
            await lab.get("/w", m="52-54-00-00-00-00")

    asyncio.run(run())
    assert lab.told == [
        'no machine has the network card that asks from 10.0.2.15: mac = ["52:54:00:00:00:00"]'
    ]


@pytest.mark.parametrize(
    "named", ["", "x", "${net0/filename}", "1&k=0\nshell\n#", "\u00e9", "52-54-00-12-34-56&x", MAC + "\n"]
)
def test_what_is_no_card_gets_into_no_script(lab: Lab, named: str) -> None:
    async def run() -> None:
        answer = await lab.get("/w", m=named)
        other = await lab.get("/w", m="0")
        assert answer.status == 200 and answer.body == other.body
        assert isinstance(answer.body, bytes) and b"w?m=${net0/mac:hexhyp}&k=1&" in answer.body

    asyncio.run(run())
    assert lab.told == []


def test_a_file_that_cannot_be_understood_harms_no_other_machine(lab: Lab) -> None:
    (lab.machines / "bad.toml").write_text('initrd = "~nobody99/x"')
    assert "nothing is being built" in shown(asyncio.run(lab.ask()))
    (said,) = lab.told
    assert "bad.toml" in said and "no such home folder" in said


def test_a_card_of_two_machines_is_told_once(lab: Lab) -> None:
    (lab.machines / "twin.toml").write_text(f'mac = "{MAC}"')

    async def run() -> None:
        for _ in range(2):
            assert "box waits" in shown(await lab.ask())

    asyncio.run(run())
    assert lab.told == ["52:54:00:12:34:56 is of box and of twin; take it out of one of them"]


def test_an_offer_that_is_gone_is_said_on_the_screen(lab: Lab) -> None:
    async def run() -> None:
        build = lab.build(b"one")
        lab.history.offer("box", build.id)
        lab.store.remove(build)
        for _ in range(2):
            said = shown(await lab.ask())
            assert f"box cannot boot {build.id}" in said and "not kept any more" in said
        assert lab.told == [f"box cannot boot {build.id}: it is not kept any more"]

    asyncio.run(run())


def test_a_kernel_that_was_cut_is_not_served(lab: Lab) -> None:
    async def run() -> None:
        build = lab.build(b"whole")
        lab.history.offer("box", build.id)
        lab.store.path(build, "kernel").write_bytes(b"who")
        script = await lab.ask()
        assert "f/" not in script
        assert "its kernel has 3 bytes, and 5 were kept" in shown(script)
        assert lab.told == [
            f"box cannot boot {build.id}: it is damaged: its kernel has 3 bytes, and 5 were kept"
        ]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("parts", "boots"),
    [
        ([(4, 5)], False),
        ([(0, 2), (4, 5)], False),
        ([(0, 5)], True),
        ([(0, 2), (2, 5)], True),
        ([(3, 5), (0, 1), (1, 4)], True),
    ],
)
def test_a_file_is_taken_when_all_its_bytes_are(lab: Lab, parts: list[tuple[int, int]], boots: bool) -> None:
    lab.describe()

    async def run() -> None:
        lab.history.offer("box", lab.build(b"whole").id)
        (url,) = re.findall(r"(f/\S+)", await lab.ask())
        for start, end in parts:
            answer = await lab.get(f"/{url}")
            assert answer.sent is not None
            answer.sent(start, end)
        assert bool(lab.history.boots("box")) == boots

    asyncio.run(run())


def test_an_empty_initrd_is_taken(lab: Lab) -> None:
    (lab.folder / "initrd.gz").write_bytes(b"")

    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        await lab.fetch(await lab.ask())
        assert len(lab.history.boots("box")) == 1

    asyncio.run(run())


def test_a_machine_waits_while_the_history_cannot_be_read_which_is_told_once(lab: Lab) -> None:
    lab.history.close()

    async def run() -> None:
        code = f"0x7f04818f-{0:032x}"
        for query, asked in [
            ({}, ""),
            ({"k": "3"}, "&k=4"),
            ({"e": code}, f"&e={code}"),
            ({"e": "$ {x"}, ""),
        ]:
            script = await lab.ask(**query)
            assert "cannot say what it booted" in shown(script)
            assert f"w?m={MAC}{asked}&s=" in script, "a first poll is repeated as one"

    asyncio.run(run())
    (said,) = lab.told
    assert said.startswith("cannot use ") or " is damaged: " in said


SECRET = "0123456789abcdef" * 2


@pytest.mark.parametrize("said", ["", SECRET[:-1], SECRET.upper(), "\udcff"])
def test_who_does_not_say_the_secret_gets_nothing_and_stops_nobody(lab: Lab, said: str) -> None:
    lab.describe(f'secret = "{SECRET}"')

    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        script = await lab.ask(peer="10.0.2.99", s=said)
        assert "f/" not in script and "6.12.9" not in script
        assert "box has a secret, and what asks here did not say it" in shown(script)
        assert await lab.fetch(await lab.ask(s=SECRET)) == {"kernel": b"one"}
        assert SECRET not in "".join(lab.told)

    asyncio.run(run())


def test_no_answer_holds_the_secret_and_each_poll_sends_it(lab: Lab) -> None:
    lab.describe(f'secret = "{SECRET}"')

    async def run() -> None:
        script = await lab.ask(s=SECRET)
        assert SECRET not in script and "box waits" in shown(script)
        polls = re.findall(r"w\?\S+", script)
        assert polls and all(poll.endswith("&s=${secret}") for poll in polls)

    asyncio.run(run())


def test_the_script_of_a_network_start_may_give_up_too(lab: Lab) -> None:
    async def run() -> None:
        for tries, said in (("7", True), ("x", False), ("", False)):
            answer = await lab.get("/s", t=tries)
            assert isinstance(answer.body, bytes)
            assert (b"iseq ${misses} 7 && goto local" in answer.body) == said

    asyncio.run(run())

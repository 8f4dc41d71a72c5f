# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a boot, as the machine's next poll and its posted log tell it."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from keepsane.errors import HistoryError
from keepsane.listen.request import Request, parse_request
from keepsane.netboot.boot import Boot
from keepsane.services import flights, posted
from tests.services.test_netboot_server import MAC, Lab, lab, shown

__all__ = ["lab"]
PEER = "10.0.2.15"


async def boot(lab: Lab) -> Boot:
    await lab.fetch(await lab.ask())
    return lab.history.boots("box")[0]


def post(nonce: str, body: bytes, peer: str = PEER) -> Request:
    request = parse_request(f"POST /p/{nonce} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode(), peer)
    return replace(request, body=body)


def test_a_boot_has_its_id_on_the_command_line_and_its_times_in_the_history(lab: Lab) -> None:
    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        script = await lab.ask()
        await lab.fetch(script)
        (taken,) = lab.history.boots("box")
        line = bytes.fromhex(re.findall(r"set c0:hexraw (\w+)", script)[0]).decode()
        assert line == f"keepsane.boot={taken.nonce} keepsane.server=10.0.2.2:8069 quiet a && b"
        assert taken.asked_seconds and taken.script_seconds
        assert taken.asked_seconds <= taken.script_seconds <= taken.taken_seconds
        files = lab.history.files(taken.nonce)
        assert [(file.name, file.size_bytes) for file in files] == [("initrd", 6), ("kernel", 3)]
        assert all(file.first_seconds <= file.last_seconds for file in files)

    asyncio.run(run())


def test_an_id_that_does_not_fit_is_left_out_and_said(lab: Lab) -> None:
    lab.describe(f'command_line = "{"x" * 2040}"')

    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        assert "kernel" in await lab.fetch(await lab.ask())

    asyncio.run(run())
    assert any("keepsane.boot= does not fit" in said for said in lab.told)


@pytest.mark.parametrize(
    ("code", "outcome", "is_offered"),
    [("0x7f04818f", "refused", False), ("2e008001", "refused", False), ("0x4c0c6035", "void", True)],
)
def test_what_ipxe_says_of_a_kernel_decides_whether_it_is_tried_again(
    lab: Lab, code: str, outcome: str, is_offered: bool
) -> None:
    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        nonce = (await boot(lab)).nonce
        script = await lab.ask(e=f"{code}-{nonce}")
        assert ("f/" in script) == is_offered
        assert "the last try failed" in shown(script) or is_offered

    asyncio.run(run())
    (taken,) = lab.history.boots("box")
    assert taken.outcome == outcome and taken.back_seconds is not None
    assert "https://ipxe.org/" in taken.why


@pytest.mark.parametrize("nonce", ["", "-" + "0" * 32])
def test_a_poll_that_failed_is_no_boot_that_failed(lab: Lab, nonce: str) -> None:
    """The server was away while the machine came back: what it booted was booted."""

    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        await boot(lab)
        assert "f/" not in await lab.ask(e=f"0x4c072035{nonce}")

    asyncio.run(run())
    assert lab.history.boots("box")[0].outcome == "back"


def test_a_script_that_boots_names_its_boot_when_it_fails(lab: Lab) -> None:
    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        script = await lab.ask()
        nonce = re.findall(r"f/(\w{32})/kernel", script)[0]
        assert f"\nset why ${{errno}}-{nonce}\n" in script
        await lab.fetch(script)
        assert "f/" not in await lab.ask("10.0.2.99", e=f"0x4c0c6035-{nonce}"), "another address says so"
        assert lab.history.boots("box")[0].outcome == "provisional"

    asyncio.run(run())


def test_a_machine_that_comes_back_has_ended_and_waits(lab: Lab) -> None:
    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        await boot(lab)
        assert "f/" not in await lab.ask()

    asyncio.run(run())
    assert lab.history.boots("box")[0].outcome == "back"


def test_a_posted_log_is_kept_once_for_its_own_boot(lab: Lab) -> None:
    async def run() -> list[int]:
        lab.history.offer("box", lab.build(b"one").id)
        nonce = (await boot(lab)).nonce
        asked = [
            post(nonce, b"Oops", peer="10.0.2.99"),
            post("0" * 32, b"Oops"),
            post("../x", b"Oops"),
            post(nonce, b""),
            post(nonce, b"Oops: 0000"),
            post(nonce, b"another"),
        ]
        answers = [await lab.server.answer(request) for request in asked]
        kept = posted.posted_path(lab.store.folder, nonce)
        assert kept.read_bytes() == b"Oops: 0000" and kept.stat().st_mode & 0o777 == 0o600
        assert lab.history.boots("box")[0].posted_bytes == 10
        return [answer.status for answer in answers]

    assert asyncio.run(run()) == [404, 404, 405, 400, 204, 409]
    said = [told for told in lab.told if "posted" in told]
    assert said == ["box posted the log of boot 1: keepsane netboot show 1"]


def test_posted_logs_have_a_limit_and_the_oldest_go(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posted, "MAX_KEPT_BYTES", 25)

    async def run() -> None:
        for number in range(4):
            lab.history.offer("box", lab.build(b"%d" % number).id)
            nonce = (await boot(lab)).nonce
            assert (await lab.server.answer(post(nonce, b"0123456789"))).status == 204
            await lab.ask()

    asyncio.run(run())
    assert len([*(lab.store.folder / "posted").iterdir()]) == 2


def test_who_asks_on_and_on_takes_no_other_machines_boot(lab: Lab) -> None:
    (lab.machines / "other.toml").write_text('mac = "52-54-00-00-00-01"')

    async def run() -> None:
        build = lab.build(b"one").id
        lab.history.offer("box", build)
        lab.history.offer("other", build)
        answer = await lab.get("/w", "10.0.2.77", m="52-54-00-00-00-01")
        assert isinstance(answer.body, bytes)
        for _ in range(flights.MAX_FLIGHTS + 10):
            await lab.ask()
        assert "kernel" in await lab.fetch(answer.body.decode(), "10.0.2.77")

    asyncio.run(run())
    assert [boot.machine for boot in lab.history.boots()] == ["other"]


def test_cards_that_are_nobodys_are_candidates(lab: Lab) -> None:
    async def run() -> None:
        for number in range(100):
            await lab.get("/w", m=f"52-54-00-00-00-{number:02x}")

    asyncio.run(run())
    found = lab.history.candidates()
    assert len(found) == 64 and found[0].mac == "52:54:00:00:00:63" and found[0].address == PEER
    assert MAC.replace("-", ":") not in {candidate.mac for candidate in found}


def test_a_boot_that_cannot_be_noted_is_no_second_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds the file, or the disk is full: the machine boots, and waits when it is back."""
    noted = lab.history.booted

    def full(*arguments: object) -> None:
        raise HistoryError("cannot use netboot.sqlite: database or disk is full")

    async def run() -> None:
        lab.history.offer("box", lab.build(b"one").id)
        monkeypatch.setattr(lab.history, "booted", full)
        await lab.fetch(await lab.ask())
        assert "f/" not in await lab.ask(), "it had it"
        assert "f/" not in await lab.ask(k="1")
        monkeypatch.setattr(lab.history, "booted", noted)
        watching = asyncio.create_task(lab.server.watch())
        while not lab.history.boots("box"):
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(run())
    assert [said for said in lab.told if "full" in said] == [
        "cannot use netboot.sqlite: database or disk is full"
    ]


def test_a_folder_of_posts_that_is_a_link_is_not_followed(lab: Lab, tmp_path: Path) -> None:
    async def run() -> int:
        lab.history.offer("box", lab.build(b"one").id)
        nonce = (await boot(lab)).nonce
        (tmp_path / "elsewhere").mkdir()
        (lab.store.folder / "posted").symlink_to(tmp_path / "elsewhere")
        return (await lab.server.answer(post(nonce, b"Oops"))).status

    assert asyncio.run(run()) == 503
    assert not [*(tmp_path / "elsewhere").iterdir()]

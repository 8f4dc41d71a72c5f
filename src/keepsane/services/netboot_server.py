# SPDX-License-Identifier: GPL-2.0-or-later
"""
What machines at iPXE talk to: a first script, polls that are held while a kernel is built, and the files.

    GET /s                            the script that asks; it may lie on a disk, on a stick, behind GRUB
    GET /w?m=52-54-00-12-34-56&...    what to do now: wait and ask again, or boot
    GET /f/NONCE/kernel               a file of one boot
    POST /p/NONCE                     what a machine kept of that boot's log

A GET changes no offer. A boot counts when the address that got its script has taken the last byte of each of
its files, at once or in parts; until then the same build is given again, under another nonce.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from keepsane.errors import HistoryError, InputError, OutputError
from keepsane.listen.answer import Answer, whole_file
from keepsane.listen.request import Request
from keepsane.machine.command_line import check_command_line
from keepsane.machine.machine import Machine
from keepsane.machine.secret import is_secret
from keepsane.machine.settings import card_address
from keepsane.netboot.choice import Take, Wait, choose
from keepsane.netboot.history import History
from keepsane.netboot.ipxe_errors import Failure, is_of_transfer, meaning, read_failure
from keepsane.netboot.presence import note_asked
from keepsane.netboot.screen import last_words, screen
from keepsane.netboot.script import Choice, File, boot_script, first_script, hold_script
from keepsane.netboot.served import served_files, with_own_words
from keepsane.netboot.store import Store
from keepsane.services.askers import Askers
from keepsane.services.flights import Flight, Flights, new_nonce
from keepsane.services.machines_kept import MachinesKept
from keepsane.services.posted import take_post
from keepsane.services.room import make_room

HOLD_SECONDS = 4.0
LOOK_SECONDS = 0.05
WRITE_SECONDS = 1.0
MAX_STRANGERS = 1024
MET_SECONDS = 60.0
"""So often it is noted that a card asks that is no machine's."""
MAX_TOLD = 256
_MENU_BUILDS = 5
_HOST = re.compile(r"[0-9A-Za-z.:\[\]-]{1,80}")
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_OWN_CARD = "${net0/mac:hexhyp}"
_NO_CARD = (
    "keepsane: no network card is named by what asks here",
    "the script that asks is that of `keepsane netboot setup`, with m=52-54-00-12-34-56",
)


class NetbootServer:
    """Answers the requests of machines; `watch` must run beside it. What happens is told to `say`."""

    def __init__(self, store: Store, history: History, machines: Path, say: Callable[[str], None]) -> None:
        """Take what is published, what happened, and the folder of the machines' files."""
        self._store = store
        self._history = history
        self._machines = MachinesKept(machines, say)
        self._askers = Askers()
        self._say = say
        self._told: dict[str, None] = {}
        self._strangers_told = 0
        self._flights = Flights(history, say, self._tell)
        self._met: dict[str, float] = {}
        self._news = asyncio.Event()

    async def watch(self) -> None:
        """Wake whoever is held as soon as anything changes, for ever."""
        clock = asyncio.get_running_loop().time
        written = clock()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if clock() - written >= WRITE_SECONDS:  # each try may wait for whoever holds the file
                self._flights.write()
                written = clock()
            if self._has_changed():
                self._news.set()
                self._news = asyncio.Event()

    def _has_changed(self) -> bool:
        try:
            return self._history.changed()
        except HistoryError as error:
            self._tell(str(error))
            return False

    async def answer(self, request: Request) -> Answer:
        """Answer one request; 503 where the history cannot be read or written now."""
        try:
            return await self._answer(request)
        except HistoryError as error:
            self._tell(str(error))
            return _refused(503)

    async def _answer(self, request: Request) -> Answer:
        match request.path.split("/")[1:]:
            case ["p", nonce] if request.method == "POST":
                return take_post(request, nonce, self._store.folder, self._history, self._say)
            case _ if request.method == "POST":
                return _refused(405)
            case ["s"]:
                return _script(first_script(f"http://{_host(request)}", _count(request, "t")))
            case ["w"]:
                return await self._poll(request)
            case ["f", nonce, name]:
                return self._file(nonce, name, request.peer)
        return _refused(404)

    async def _poll(self, request: Request) -> Answer:
        # Text from a query in a script would be iPXE's own: only the address of a card gets there.
        mac = card_address(request.query.get("m", ""))
        if mac is None:
            return await self._held_page(_NO_CARD, f"m={_OWN_CARD}&k={_count(request) + 1}")
        again = f"m={mac.replace(':', '-')}&k={_count(request) + 1}"
        machine = self._machines.of_card(mac)
        if machine is None:
            self._meet(mac, request.peer)
            return await self._held_page(_stranger(mac, self._machines.folder), again)
        if not is_secret(request.query.get("s", ""), machine.secret):
            self._tell(f"{request.peer} asks as {machine.name}, without its secret")
            return await self._held_page(_no_secret(machine.name), again)
        others = self._askers.others(mac, request.peer)
        if others:
            return await self._held_page(_two_of_one(mac, request.peer, others), again)
        try:
            return await self._go_on(machine, request, again)
        except HistoryError as error:
            self._tell(str(error))
            return await self._held_page(_no_history(machine.name, error), _same(request, mac, again))

    async def _go_on(self, machine: Machine, request: Request, again: str) -> Answer:
        """Answer a machine that is known."""
        note_asked(self._store.folder, machine.name)
        failure = read_failure(request.query.get("e", "")) if _is_first(request) else None
        failed = meaning(failure.code) if failure else None
        if _is_first(request):
            self._askers.starts(machine.name, request.peer)
            self._note_return(machine, request.peer, failure)
        if wanted := request.query.get("b"):
            if self._store.find(wanted) is None:
                return _refused(404)
            return await self._boot(machine, Take(wanted, None), request, again)
        chosen = await self._choose(machine, hold=not _is_first(request))
        if isinstance(chosen, Take):
            return await self._boot(machine, chosen, request, again)
        return self._page(machine, chosen, again, failed)

    def _note_return(self, machine: Machine, peer: str, failure: Failure | None) -> None:
        """Note what became of the boot that the machine took last: here it is again."""
        self._flights.write()
        if failure is not None and failure.nonce:
            failed, lost = meaning(failure.code) or "", is_of_transfer(failure.code)
            if self._history.was_not_started(failure.nonce, peer, failed, lost_bytes=lost):
                self._say(f"{machine.name} did not start its kernel: {failed}")
        if self._history.came_back(machine.name, peer):
            self._say(f"{machine.name} came back")

    def _meet(self, mac: str, peer: str) -> None:
        """Tell of a card that is no machine's, once, and note when it asked."""
        now = time.monotonic()
        if now - self._met.get(mac, -MET_SECONDS) >= MET_SECONDS:
            self._met.pop(mac, None)
            make_room(self._met, MAX_STRANGERS)
            self._met[mac] = now
            with suppress(HistoryError):  # it is told all the same
                self._history.met(mac, peer)
            if self._strangers_told < MAX_TOLD:  # whoever makes up cards fills no log
                self._strangers_told += 1
                self._tell(f'no machine has the network card that asks from {peer}: mac = ["{mac}"]')

    def _tell(self, what: str) -> None:
        """Tell what a machine meets again and again, once; of very much the oldest is forgotten."""
        if what not in self._told:
            make_room(self._told, MAX_TOLD)
            self._told[what] = None
            self._say(what)

    async def _choose(self, machine: Machine, *, hold: bool) -> Wait | Take:
        """Choose for a machine; hold it until the choice is another, at most HOLD_SECONDS."""
        end = asyncio.get_running_loop().time() + HOLD_SECONDS
        chosen = self._chosen(machine)
        before = chosen.state if isinstance(chosen, Wait) else None
        while hold and isinstance(chosen, Wait) and chosen.state == before:
            try:
                async with asyncio.timeout_at(end):
                    await self._news.wait()
            except TimeoutError:
                break
            chosen = self._chosen(machine)
        return chosen

    def _chosen(self, machine: Machine) -> Wait | Take:
        """Choose; what was taken and could not be noted yet counts as booted."""
        chosen = choose(self._history, machine)
        if isinstance(chosen, Take) and self._flights.is_taken(chosen):
            return Wait(self._history.last_making(machine.name))
        return chosen

    async def _held_page(self, lines: Sequence[str], again: str) -> Answer:
        """Say why a machine gets nothing, and let it ask again when the reason may be gone."""
        await asyncio.sleep(HOLD_SECONDS / 2)
        return _script(hold_script(lines, again, ()))

    def _page(self, machine: Machine, waits: Wait, again: str, failed: str | None) -> Answer:
        making = waits.making
        usual = self._history.usual_seconds(making.tree) if making else None
        lines = screen(machine.name, making, time.time(), usual, self._last_of(machine))
        if failed is not None:
            lines[1:1] = [f"the last try failed: {failed}", ""]
        return _script(hold_script(lines, again, self._choices(machine)))

    def _last_of(self, machine: Machine) -> str:
        boot = next(iter(self._history.boots(machine.name, most=1)), None)
        return last_words(boot, self._store.find(boot.build) if boot else None)

    def _choices(self, machine: Machine) -> list[Choice]:
        """Give the menu: a choice holds for one boot, and changes nothing else."""
        card = machine.mac[0].replace(":", "-")
        good = self._history.good(machine.name)
        choices = [Choice("good", f"The good kernel, {good}", f"m={card}&k=0&b={good}")] if good else []
        return choices + [
            Choice(f"b{number}", f"{build.release} {build.number} {build.id}", f"m={card}&k=0&b={build.id}")
            for number, build in enumerate(self._store.builds(_MENU_BUILDS))
        ]

    async def _boot(self, machine: Machine, take: Take, request: Request, again: str) -> Answer:
        build = self._store.find(take.build)
        if build is None:
            return await self._cannot_boot(machine, take, "it is not kept any more", again)
        nonce = new_nonce()
        command_line = self._command_line(machine, nonce, request)
        if wrong := check_command_line(command_line):
            return await self._cannot_boot(machine, take, f"its command line: {wrong}", again)
        if wrong := self._store.damage(build):
            return await self._cannot_boot(machine, take, f"it is damaged: {wrong}", again)
        try:
            files = served_files(self._store, machine, build)
        except (InputError, OutputError) as error:
            return await self._cannot_boot(machine, take, str(error), again)
        asked = self._askers.since_seconds(machine.name, request.peer)
        self._flights.begin(nonce, Flight(machine, take, request.peer, files, asked))
        kernel, *initrds = (File(name, f"f/{nonce}/{name}") for name in files)
        title = [
            f"keepsane: {machine.name} boots {build.release} {build.number} of {build.tree}",
            *_why(take),
        ]
        return _script(boot_script(kernel, initrds, command_line, title, nonce))

    def _command_line(self, machine: Machine, nonce: str, request: Request) -> str:
        """Give the machine's command line with the boot's id, by which its logs are known."""
        line = with_own_words(machine.command_line, nonce, _said_host(request))
        if check_command_line(line) is None:
            return line
        self._tell(f"{machine.name}: keepsane.boot= does not fit on its command line, and is left out")
        return machine.command_line

    async def _cannot_boot(self, machine: Machine, take: Take, why: str, again: str) -> Answer:
        """Say why a build is not booted: to whom serves, once, and on the machine until another is there."""
        title = f"{machine.name} cannot boot {take.build}"
        self._tell(f"{title}: {why}")
        return await self._held_page([f"keepsane: {title}", why, "it waits for another build"], again)

    def _file(self, nonce: str, name: str, peer: str) -> Answer:
        flight = self._flights.of(nonce, peer)
        if flight is None or name not in flight.files:
            return _refused(404)
        try:
            answer = whole_file(flight.files[name])
        except OSError as error:
            self._tell(f"{flight.machine.name} cannot get {flight.files[name]}: {error.strerror or error}")
            return _refused(503)
        size = answer.length_bytes
        self._flights.began(nonce, name)
        return replace(answer, sent=lambda start, end: self._flights.sent(nonce, name, start, end, size))


def _why(take: Take) -> list[str]:
    """Say on the screen why a machine gets its good kernel."""
    match take.cause.partition(" ")[0]:
        case "making":
            return ["its good kernel, for the build failed"]
        case "boot":
            return ["its good kernel, for the last one did not get as far as its mark"]
    return []


def _script(text: str) -> Answer:
    return Answer(body=text.encode("ascii"))


def _refused(status: int) -> Answer:
    return Answer(status=status, body=f"{status}\n".encode())


def _is_first(request: Request) -> bool:
    """Say whether a machine has just started: the polls behind its first are counted."""
    return "k" not in request.query


def _count(request: Request, name: str = "k") -> int:
    count = request.query.get(name, "")
    return int(count) if _COUNT.fullmatch(count) else 0


def _said_host(request: Request) -> str | None:
    """Give the address that the machine used; None for what cannot be one, which never gets into a script."""
    host = request.headers.get("host", "")
    return host if _HOST.fullmatch(host) else None


def _host(request: Request) -> str:
    return _said_host(request) or "${next-server}"


def _same(request: Request, mac: str, again: str) -> str:
    """Give the query that asks the same once more: a first poll that was not noted is a first one again."""
    if not _is_first(request):
        return again
    said = request.query.get("e", "")
    return f"m={mac.replace(':', '-')}" + (f"&e={said}" if read_failure(said) else "")


def _no_history(name: str, error: HistoryError) -> list[str]:
    return [f"keepsane: {name} waits: the build machine cannot say what it booted", str(error)]


def _stranger(mac: str, folder: Path) -> list[str]:
    return [
        f"keepsane: no machine is known with the network card {mac}",
        f"name it in a file of {folder} on the build machine; it then goes on by itself",
    ]


def _no_secret(name: str) -> list[str]:
    return [
        f"keepsane: {name} has a secret, and what asks here did not say it",
        f"start it with the first.ipxe of: keepsane netboot setup ADDRESS FOLDER --machine {name}",
    ]


def _two_of_one(mac: str, peer: str, others: Sequence[str]) -> list[str]:
    return [
        f"keepsane: two machines ask as {mac}: {peer} and {', '.join(others)}",
        "neither boots until only one of them asks; is one a clone of the other?",
    ]

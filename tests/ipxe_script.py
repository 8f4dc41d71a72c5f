# SPDX-License-Identifier: GPL-2.0-or-later
"""
iPXE's script language as far as our scripts use it, written from iPXE's core/exec.c, core/settings.c and
hci/commands, and held against the real one by tests/live/netboot.

A line is split at blanks first; then each word is expanded; `||` goes on only behind a failure, `&&` only
behind a success. A line that fails ends the script. `chain` runs a script inside, `--replace` in place.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, urljoin

OK, CANCELLED = 0, 0x0B0720A0
INVALID, NO_IMAGE, NO_ENTRY = 0x1C, 0x2E008001, 0x2D
UNKNOWN_OPTION = 0x1C162202
_MAX_STEPS = 1_000_000
_SETTING = re.compile(r"\$\{([^${}]*)\}")
_MODIFIERS = {"--timeout", "--name", "--default", "--drive"}


class IpxeError(Exception):
    """A command failed with an errno of iPXE's."""

    def __init__(self, errno: int) -> None:
        super().__init__(f"{errno:#x}")
        self.errno = errno


class Booted(NamedTuple):
    """What a machine started: its kernel, its archives in their order, and the command line."""

    kernel: bytes
    initrds: tuple[tuple[str, bytes], ...]
    command_line: str


class Stopped(NamedTuple):
    """The machine went elsewhere: `exit`, `sanboot` or `shell`."""

    where: str


Fetch = Callable[[str, float | None], Awaitable[bytes]]
"""Gets an address, within so many seconds without progress; raises IpxeError."""


@dataclass
class Machine:
    """A machine at iPXE; `run` gives what it ended in. `picks` are the choices of its user in the menu."""

    fetch: Fetch
    sleep: Callable[[float], Awaitable[None]]
    settings: dict[str, str]
    picks: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    most_shown: int = 10_000
    _kernel: tuple[bytes, str] | None = None
    _initrds: list[tuple[str, bytes]] = field(default_factory=list)
    _steps: int = 0

    async def run(self, script: str) -> Booted | Stopped:
        """Run the first script to its end."""
        try:
            await self._script(script, "")
        except _End as end:
            return end.what
        except IpxeError as error:
            return Stopped(f"failed {error.errno:#x}")
        return Stopped("exit")

    async def _script(self, text: str, address: str) -> None:
        """Run one; it may be replaced by another, as often as it likes."""
        replaced: tuple[str, str] | None = (text, address)
        while replaced is not None:
            run = _Run(self, *replaced)
            replaced = await run.to_end()

    def _expand(self, word: str) -> str:
        while (found := _SETTING.search(word)) is not None:
            word = word[: found.start()] + self._value(found[1]) + word[found.end() :]
        return word

    def _value(self, name: str) -> str:
        bare, _, kind = name.partition(":")
        value = self.settings.get(name, self.settings.get(bare, ""))
        return quote(value) if kind == "uristring" else value


class _End(Exception):
    def __init__(self, what: Booted | Stopped) -> None:
        super().__init__(what)
        self.what = what


class _Exit(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Replaced(Exception):
    def __init__(self, text: str, address: str) -> None:
        super().__init__()
        self.script = text, address


class _Run:
    """One script while it runs."""

    def __init__(self, machine: Machine, text: str, address: str) -> None:
        assert text.startswith("#!ipxe\n"), "iPXE takes this for no script"
        assert text.isascii() and len(text) < 64 << 10
        self.machine = machine
        self.address = address
        self.lines = text.split("\n")
        self.at = 0
        self.menu: list[str] = []

    async def to_end(self) -> tuple[str, str] | None:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            try:
                await self._line(line)
            except _Exit as left:
                if left.code:
                    raise IpxeError(left.code) from None
                return None
            except _Replaced as by:
                return by.script
        return None

    async def _line(self, line: str) -> None:
        self.machine._steps += 1
        assert self.machine._steps < _MAX_STEPS, "a script that runs round"
        assert not line.endswith("\\"), "iPXE joins this line with the next"
        if line.startswith(("#", ":")):
            return
        words = line.split()
        while True:
            end = next((i for i, word in enumerate(words) if word in ("&&", "||")), len(words))
            errno = await self._command([self.machine._expand(word) for word in words[:end]])
            if end == len(words):
                break
            if (errno == OK) != (words[end] == "&&"):
                return
            words = words[end + 1 :]
        if errno:
            raise IpxeError(errno)

    async def _command(self, words: list[str]) -> int:
        if not words:
            return OK
        name, *rest = words
        do = getattr(self, f"_do_{name}", None)
        assert do is not None, f"iPXE of 2019 has no command {name}"
        try:
            await do(*_options(rest))
        except IpxeError as error:
            self.machine.settings["errno"] = f"{error.errno:#x}"
            return error.errno
        self.machine.settings["errno"] = "0x0"
        return OK

    async def _do_set(self, options: dict[str, str], name: str, *value: str) -> None:
        bare, _, kind = name.partition(":")
        text = " ".join(value)
        if kind == "hexraw":
            text = bytes.fromhex(text).decode("latin-1")
        elif kind == "hex":
            text = bytes.fromhex(text.replace(":", "")).decode("latin-1")
        elif kind == "int32":
            text = str(int(text or "0", 0))
        if text:
            self.machine.settings[bare] = text
        else:
            self.machine.settings.pop(bare, None)

    async def _do_clear(self, options: dict[str, str], name: str) -> None:
        if self.machine.settings.pop(name, None) is None:
            raise IpxeError(NO_ENTRY)

    async def _do_inc(self, options: dict[str, str], name: str) -> None:
        self.machine.settings[name] = str(int(self.machine.settings.get(name, "0"), 0) + 1)

    async def _do_isset(self, options: dict[str, str], *value: str) -> None:
        if not value or not value[0]:
            raise IpxeError(NO_ENTRY)

    async def _do_iseq(self, options: dict[str, str], one: str = "", other: str = "") -> None:
        if one != other:
            raise IpxeError(1)

    async def _do_echo(self, options: dict[str, str], *words: str) -> None:
        if options.keys() - {"-n"}:
            raise IpxeError(UNKNOWN_OPTION)
        self.machine.shown.append(" ".join(words))
        del self.machine.shown[: -self.machine.most_shown]

    async def _do_goto(self, options: dict[str, str], label: str) -> None:
        where = [i for i, line in enumerate(self.lines) if line.split() == [f":{label}"]]
        if not where:
            raise IpxeError(NO_ENTRY)
        self.at = where[0] + 1

    async def _do_sleep(self, options: dict[str, str], seconds: str) -> None:
        await self.machine.sleep(float(seconds))

    async def _do_dhcp(self, options: dict[str, str], *nics: str) -> None:
        self.machine.settings.setdefault("net0/ip", "10.0.2.15")

    async def _do_imgfree(self, options: dict[str, str]) -> None:
        self.machine._kernel = None
        self.machine._initrds.clear()

    async def _do_chain(self, options: dict[str, str], url: str) -> None:
        address = urljoin(self.address, url)
        body = await self.machine.fetch(address, _seconds(options))
        if not body.startswith(b"#!ipxe"):
            raise AssertionError(f"a BIOS would run this as machine code: {body[:80]!r}")
        if "--replace" in options:
            raise _Replaced(body.decode("ascii"), address)
        await self.machine._script(body.decode("ascii"), address)

    async def _do_kernel(self, options: dict[str, str], url: str, *words: str) -> None:
        body = await self.machine.fetch(urljoin(self.address, url), _seconds(options))
        self.machine._kernel = body, " ".join(words)

    async def _do_initrd(self, options: dict[str, str], url: str) -> None:
        body = await self.machine.fetch(urljoin(self.address, url), _seconds(options))
        self.machine._initrds.append((options.get("--name", url), body))

    async def _do_boot(self, options: dict[str, str]) -> None:
        if self.machine._kernel is None:
            raise IpxeError(NO_IMAGE)
        raise _End(Booted(self.machine._kernel[0], tuple(self.machine._initrds), self.machine._kernel[1]))

    async def _do_menu(self, options: dict[str, str], *title: str) -> None:
        self.menu = []

    async def _do_item(self, options: dict[str, str], label: str, *text: str) -> None:
        self.menu.append(label)

    async def _do_choose(self, options: dict[str, str], name: str) -> None:
        pick = self.machine.picks.pop(0) if self.machine.picks else options["--default"]
        assert pick in self.menu, f"{pick} is not in the menu: {self.menu}"
        self.machine.settings[name] = pick

    async def _do_exit(self, options: dict[str, str], code: str = "0") -> None:
        raise _Exit(int(code))

    async def _do_sanboot(self, options: dict[str, str]) -> None:
        raise _End(Stopped("local disk"))

    async def _do_shell(self, options: dict[str, str]) -> None:
        raise _End(Stopped("shell"))


def _options(words: list[str]) -> tuple[dict[str, str] | str, ...]:
    """Part options from operands; those with a value take the next word."""
    options: dict[str, str] = {}
    while words and words[0].startswith("-"):
        option = words.pop(0)
        options[option] = words.pop(0) if option in _MODIFIERS else ""
    return options, *words


def _seconds(options: dict[str, str]) -> float | None:
    return int(options["--timeout"]) / 1000 if "--timeout" in options else None

# SPDX-License-Identifier: GPL-2.0-or-later
"""
A capture: samples of a machine as files, to be looked at elsewhere.

    t0/proc/uptime  t0/proc/vmstat  t0/sys/devices/system/node/node0/meminfo  ...  t0/missing  t0/time
    t1/proc/uptime  t1/proc/vmstat  ...

A tar, mostly packed with gzip, or a folder: `tN` mirrors / as far as it could be read at that moment.
`missing` has a line for each file that could not (reason, path, milliseconds where it was slow, parted by
tabs), `time` the seconds since 1970, `dmesg` the kernel log. The interval is the difference of the uptimes.
A folder without tN is one sample, and so is a sosreport.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO, get_args

from keepsane.errors import InputError
from keepsane.memory.capture.archive import read_members
from keepsane.memory.proc.machine import BOOT_ID, uptime_of
from keepsane.memory.snapshot import DMESG, TIME, Missing, Reason, Snapshot
from keepsane.memory.whole import cut_words

MISSING = "missing"
UNKNOWN_BOOT = "a capture has no boot id: that the machine was not restarted between them is only assumed"
MAX_SAMPLES = 100_000
MAX_MISSING = 4096

_FILES = (
    r"(?:proc/(?:meminfo|vmstat|zoneinfo|buddyinfo|pagetypeinfo|slabinfo|swaps|uptime|version|cmdline|cpuinfo"
    r"|mounts|pressure/\w{1,20}|sys/(?:vm|kernel)/[\w./-]{1,200}|(?:self|\d{1,10})/(?:status|cgroup))"
    r"|sys/(?:devices/system/(?:node|cpu)|kernel/mm|fs/cgroup)/.{1,1000}"
    r"|(?:etc|run|usr/lib|usr/local/lib|lib)/(?:sysctl\.conf|sysctl\.d/[^/]{1,200}|tuned/.{1,300})"
    r"|run/\.containerenv|run/systemd/container|\.dockerenv"
    r"|sos_commands/(?:(?:host|general)/uptime|tuned/tuned-adm_active|kernel/(?:uname_-a|sysctl_-a|dmesg)))"
)
_WANTED = re.compile(rf"(?P<top>(?:[^/]{{1,255}}/){{0,6}}?)(?P<path>{_FILES}|{MISSING}|{TIME}|{DMESG})")
_SAMPLE = re.compile(r"(?:.{0,2000}/)?t(\d{1,9})/", re.DOTALL)


def read_capture(*paths: Path) -> tuple[Snapshot, ...]:
    """
    Read the samples of one capture, or of several that belong together, as two sosreports of a machine.

    Raises InputError where a path cannot be read, is damaged before its first sample, or holds no sample.
    A capture that breaks off later gives what it has, and says so as the last sample's damage; files that are
    too large are `missing`. Several captures are put in the order of time where all name the same boot, else
    they keep the order given.
    """
    captures = [tuple(_samples(path)) for path in paths]
    snapshots = tuple(snapshot for capture in captures for snapshot in capture)
    boots = {capture[0].line(BOOT_ID) for capture in captures}
    if len(captures) > 1 and None in boots:
        return (*snapshots[:-1], replace(snapshots[-1], damage=UNKNOWN_BOOT))
    return tuple(sorted(snapshots, key=_moment)) if len(captures) > 1 and len(boots) == 1 else snapshots


def write_capture(out: Path, snapshots: Iterable[Snapshot]) -> int:
    """
    Write the samples into a new tar at `out`, packed with gzip, as they come; the number of samples.

    Only its owner may read it: it holds what root alone could read, the kernel log among it.
    Raises InputError where the file exists or cannot be written.
    """
    number = 0
    try:
        with _created(out) as stream, tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for snapshot in snapshots:
                _write(tar, f"t{number}", snapshot)
                number += 1
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}; name another file") from error
    return number


@contextmanager
def _created(out: Path) -> Iterator[BinaryIO]:
    """Make a new file, that goes away again where writing it fails: half a capture looks like a whole one."""
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    made = os.fstat(file)
    try:
        with os.fdopen(file, "wb") as stream:
            yield stream
    except BaseException:
        with suppress(OSError):
            if os.path.samestat(made, out.lstat()):
                out.unlink()
        raise


def _write(tar: tarfile.TarFile, top: str, snapshot: Snapshot) -> None:
    for path, text in snapshot.files.items():
        _add(tar, f"{top}/{path}", text)
    if snapshot.missing:
        _add(tar, f"{top}/{MISSING}", "".join(map(_missing_line, snapshot.missing)))


def _add(tar: tarfile.TarFile, path: str, text: str) -> None:
    data = text.encode("utf-8", "replace")
    info = tarfile.TarInfo(path)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _missing_line(missing: Missing) -> str:
    cost = "" if missing.milliseconds is None else f"\t{missing.milliseconds}"
    return f"{missing.reason}\t{missing.path}{cost}\n"


def _samples(path: Path) -> Iterator[Snapshot]:
    if not path.exists():
        raise InputError(f"{path} does not exist; give a capture (tar or folder) or a sosreport")
    tops: dict[str, dict[str, str]] = {}
    unread: dict[str, list[Missing]] = {}
    broken = _collect(path, tops, unread)
    tops = {
        top: files for top, files in tops.items() if any(name not in (MISSING, TIME, DMESG) for name in files)
    }
    if broken is not None and not tops:
        raise broken
    if not tops:
        raise InputError(f"{path} holds no sample: no proc/vmstat, proc/meminfo or the like was found in it")
    sampled = [top for top in tops if _SAMPLE.fullmatch(top)]
    captures = sorted({top[: top.rindex("t")] for top in sampled})
    if len(captures) > 1:
        raise InputError(f"{path} holds {len(captures)} captures; name one: {', '.join(captures)[:200]}")
    ordered = sorted(sampled, key=_number) if sampled else [max(tops, key=lambda top: len(tops[top]))]
    for top in ordered:
        damage = f"the capture is incomplete: {broken}" if broken and top == ordered[-1] else ""
        yield _snapshot(tops[top], unread.get(top, []), damage)


def _collect(
    path: Path, tops: dict[str, dict[str, str]], unread: dict[str, list[Missing]]
) -> InputError | None:
    """Sort the files by the sample they belong to; what stopped the reading, None where nothing did."""
    try:
        for member in read_members(path, lambda name: _WANTED.fullmatch(name) is not None):
            found = _WANTED.fullmatch(member.path)
            if found is None:
                continue
            top, name = found["top"], found["path"]
            if top not in tops and len(tops) >= MAX_SAMPLES:
                raise InputError(f"{path} has more than {MAX_SAMPLES} samples; cut it in parts")
            texts = tops.setdefault(top, {})
            if member.text is None:
                unread.setdefault(top, []).append(Missing(path=name, reason=member.reason or "unreadable"))
            else:
                texts.setdefault(name, member.text)
    except InputError as error:
        return error
    return None


def _number(top: str) -> int:
    found = _SAMPLE.fullmatch(top)
    return int(found[1]) if found else 0


def _snapshot(files: dict[str, str], unread: list[Missing], damage: str) -> Snapshot:
    said = files.pop(MISSING, "")
    damage = "; ".join(filter(None, (damage, cut_words(files))))
    return Snapshot(files=files, missing=(*_parse_missing(said), *unread), damage=damage)


def _parse_missing(text: str) -> Iterator[Missing]:
    for line in text.splitlines()[:MAX_MISSING]:
        reason, _, rest = line.partition("\t")
        path, _, cost = rest.partition("\t")
        known = next((known for known in get_args(Reason) if known == reason), None)
        if known is not None and path:
            milliseconds = float(cost) if re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", cost, re.ASCII) else None
            yield Missing(path=path, reason=known, milliseconds=milliseconds)


def _moment(snapshot: Snapshot) -> float:
    """What orders the samples of one boot."""
    return uptime_of(snapshot) or 0.0


def read_capture_script() -> str:
    """The shell script that writes the same format on machines where nothing can be installed."""
    return files("keepsane.memory.capture").joinpath("capture.sh").read_text("utf-8")

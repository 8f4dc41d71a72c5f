# SPDX-License-Identifier: GPL-2.0-or-later
"""
Settings under /proc/sys, and which file or tool gave them their value.

    /proc/sys/vm/zone_reclaim_mode      1
    /etc/sysctl.d/50-db.conf            -vm.zone_reclaim_mode = 0
    /etc/tuned/active_profile           hpc-compute
    /proc/cmdline                       sysctl.vm.zone_reclaim_mode=0, since 5.8

Source: sysctl.d(5), sysctl.conf(5), tuned.conf(5); fs/proc/proc_sysctl.c, do_sysctl_args().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.memory.snapshot import Snapshot

SYSCTL_FOLDERS = (
    "etc/sysctl.d",
    "run/sysctl.d",
    "usr/local/lib/sysctl.d",
    "usr/lib/sysctl.d",
    "lib/sysctl.d",
)
"""A file in an earlier folder hides one of the same name in a later; then all are applied by file name."""
SYSCTL_CONF = "etc/sysctl.conf"
ACTIVE_PROFILE = "etc/tuned/active_profile"
PROFILE_FOLDERS = ("etc/tuned/profiles", "etc/tuned", "usr/lib/tuned/profiles", "usr/lib/tuned")
CMDLINE = "proc/cmdline"
MAX_LINES = 10_000
MAX_INCLUDES = 16

_SETTING = re.compile(r"\s{0,40}-?\s{0,8}(?P<name>[\w./*-]{1,200}?)\s{0,40}=\s{0,40}(?P<value>\S.{0,400}|)")
_SECTION = re.compile(r"\s{0,40}\[(?P<name>[\w-]{1,80})\]\s{0,40}")
_INCLUDE = re.compile(r"\s{0,40}include\s{0,8}=\s{0,8}(?P<names>\S.{0,400})")
_ACTIVE = re.compile(r"Current active profile: ([\w. -]{1,400})")
_PROFILE_NAME = re.compile(r"[\w.-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    A place that sets a value: `path` without its leading slash, `line` counted from 1.

    `by` says what reads that place: sysctl.d, sysctl.conf, TuneD or the kernel command line.
    """

    name: str
    value: str
    path: str
    line: int
    by: str


def sysctl(snapshot: Snapshot, name: str) -> str | None:
    """
    The value of a setting, as the kernel prints it; None where this kernel has none, or it was not read.

    `name` is spelt with dots: "vm.zone_reclaim_mode". A sosreport has them all in one file.
    """
    text = snapshot.text("proc/sys/" + name.replace(".", "/"))
    if text is not None:
        return text.strip()
    listed = (_SETTING.fullmatch(line) for line in _lines(snapshot, "sos_commands/kernel/sysctl_-a"))
    return next((found["value"].strip() for found in listed if found and found["name"] == name), None)


def whole_number(value: str) -> int | None:
    """Read a value that is one whole number and nothing else; None for any other."""
    return int(value) if re.fullmatch(r"-?\d{1,20}", value, re.ASCII) else None


def settings_of(snapshot: Snapshot, name: str) -> tuple[Setting, ...]:
    """
    Every place that sets `name`, in the order in which a boot applies them: the last one wins.

    The command line comes first, then TuneD, which applies the files of sysctl.d once more over its own
    values (reapply_sysctl, on by default), then those files, then /etc/sysctl.conf.
    """
    found = (*_on_cmdline(snapshot), *_by_tuned(snapshot), *_in_files(snapshot))
    return tuple(setting for setting in found if setting.name == name)


def setter_of(snapshot: Snapshot, name: str) -> Setting | None:
    """
    The place the present value comes from; None where no place sets it to what it is.

    None means the kernel's own default, a value written by hand or by a program since the boot, or a file
    that was not read: a TuneD profile may be active (profile_of()) without its file being in a capture.
    """
    value = sysctl(snapshot, name)
    settings = settings_of(snapshot, name)
    if value is None or not settings:
        return None
    return settings[-1] if settings[-1].value.split() == value.split() else None


def profile_of(snapshot: Snapshot) -> str | None:
    """
    The active TuneD profile, or several with blanks between; None where there is none.

    Accepted format where only tuned-adm was asked, as in a sosreport:
        Current active profile: hpc-compute
    """
    said = _ACTIVE.search(snapshot.text("sos_commands/tuned/tuned-adm_active") or "")
    return snapshot.line(ACTIVE_PROFILE) or (said[1].strip() if said else None)


def _lines(snapshot: Snapshot, path: str) -> list[str]:
    return (snapshot.text(path) or "").splitlines()[:MAX_LINES]


def _on_cmdline(snapshot: Snapshot) -> Iterator[Setting]:
    for word in (snapshot.text(CMDLINE) or "").split():
        name, equals, value = word.partition("=")
        if name.startswith(("sysctl.", "sysctl/")) and equals:
            dotted = _dotted(name[len("sysctl.") :])
            yield Setting(name=dotted, value=value, path=CMDLINE, line=1, by="the kernel command line")


def _in_files(snapshot: Snapshot) -> Iterator[Setting]:
    by_name: dict[str, str] = {}
    for folder in SYSCTL_FOLDERS:
        for name, _ in snapshot.below(folder):
            if name.endswith(".conf") and "/" not in name:
                by_name.setdefault(name, f"{folder}/{name}")
    for name in sorted(by_name):
        yield from _settings(snapshot, by_name[name], "sysctl.d")
    # procps reads it last; systemd reads it only where sysctl.d has a link to it, Debian's 99-sysctl.conf.
    yield from _settings(snapshot, SYSCTL_CONF, "sysctl.conf")


def _settings(snapshot: Snapshot, path: str, by: str) -> Iterator[Setting]:
    for number, line in enumerate(_lines(snapshot, path), start=1):
        if line.lstrip().startswith(("#", ";")):
            continue
        if found := _SETTING.fullmatch(line):
            name = _dotted(found["name"])
            yield Setting(name=name, value=found["value"].strip(), path=path, line=number, by=by)


def _dotted(name: str) -> str:
    # Whichever of dot and slash comes first parts the words (sysctl.d(5)); names under vm hold neither.
    return name.replace("/", ".")


def _by_tuned(snapshot: Snapshot) -> Iterator[Setting]:
    waiting, seen = (profile_of(snapshot) or "").split()[:MAX_INCLUDES], set[str]()
    ordered: list[str] = []
    while waiting and len(seen) < MAX_INCLUDES:
        name = waiting.pop()
        if name in seen or not _PROFILE_NAME.fullmatch(name):
            continue
        seen.add(name)
        if path := _profile_path(snapshot, name):
            ordered.insert(0, path)  # what a profile includes is applied before it
            waiting.extend(_included(snapshot, path))
    for path in ordered:
        yield from _profile_settings(snapshot, path)


def _profile_path(snapshot: Snapshot, name: str) -> str | None:
    paths = (f"{folder}/{name}/tuned.conf" for folder in PROFILE_FOLDERS)
    return next((path for path in paths if snapshot.text(path) is not None), None)


def _included(snapshot: Snapshot, path: str) -> list[str]:
    found = next((found for line in _lines(snapshot, path) if (found := _INCLUDE.fullmatch(line))), None)
    return re.split(r"[\s,]{1,20}", found["names"])[:MAX_INCLUDES] if found else []


def _profile_settings(snapshot: Snapshot, path: str) -> Iterator[Setting]:
    section = ""
    for number, line in enumerate(_lines(snapshot, path), start=1):
        if head := _SECTION.fullmatch(line):
            section = head["name"]
        elif section.startswith("sysctl") and (found := _SETTING.fullmatch(line)):
            value = found["value"].lstrip("<>= ").strip()  # ">8" and the like set at least, or at most
            yield Setting(name=_dotted(found["name"]), value=value, path=path, line=number, by="TuneD")

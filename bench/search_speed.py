# SPDX-License-Identifier: GPL-2.0-or-later
"""
How long a large syslog with few reports takes, against `LC_ALL=C grep -c 'Call Trace'` on the same file.

Usage: python -m bench.search_speed [MEGABYTES [REPORTS [PAIRS]]]

1 GB with 200 reports by default: lines of two dozen daemons and of a healthy kernel, and between them the
logs of tests/cases, each line behind a syslog's front. Some of the lines hold words that a report may begin
with, as in any syslog. Whole processes are timed in turn, the page cache warm. Then the same file is read
again line by line, without the search: the reports must be equal, byte by byte.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from bench.measure import FOUND_OR_NOT, KEEPSANE, installed, warm_pages
from keepsane.api import Options, explain
from keepsane.kernel.log.kinds import GATE
from keepsane.render.json import render_json
from tests.golden import CASES, events_of, read_case

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HOST = "widget-7"
DAEMONS = (
    "systemd[1]: Starting widget-{a}.service - Collect widgets of unit {b}...",
    "systemd[1]: Started session-{a}.scope - Session {a} of User deploy.",
    "systemd[1]: widget-sync.service: Deactivated successfully.",
    "systemd[1]: widget-sync.service: Consumed {b}.{a}s CPU time, no IO.",
    "systemd-logind[{a}]: New session {b} of user deploy.",
    "systemd-resolved[{a}]: Using degraded feature set UDP instead of UDP+EDNS0 for DNS server 10.0.0.{c}.",
    "systemd-networkd[{a}]: eth0: DHCPv4 address 10.2.{c}.{c}/16, gateway 10.2.0.1 acquired from 10.2.0.1",
    "CRON[{a}]: (root) CMD (test -x /usr/sbin/widgetclean && /usr/sbin/widgetclean --older {b})",
    "CRON[{a}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "sshd[{a}]: Accepted publickey for deploy from 10.1.{c}.{c} port {b} ssh2: ED25519 SHA256:{d}",
    "sshd[{a}]: Received disconnect from 10.1.{c}.{c} port {b}:11: disconnected by user",
    "sshd[{a}]: Invalid user admin{c} from 198.51.100.{c} port {b}",
    "sshd[{a}]: error: kex_exchange_identification: Connection closed by remote host",
    "sudo[{a}]:   deploy : TTY=pts/{c} ; PWD=/srv ; USER=root ; COMMAND=/usr/bin/widgetctl reload {b}",
    'nginx: 198.51.100.{c} - - "GET /api/v2/widgets/{a}?page={c} HTTP/1.1" 200 {b} "-" "curl/8.5.0"',
    'nginx: 198.51.100.{c} - - "POST /api/v2/orders HTTP/1.1" 201 {b} "https://example.net/" "Mozilla/5.0"',
    "postfix/smtpd[{a}]: connect from mail{c}.example.org[203.0.113.{c}]",
    "postfix/qmgr[{a}]: {d}: from=<news@example.org>, size={b}, nrcpt=1 (queue active)",
    "postfix/smtp[{a}]: {d}: to=<user{c}@example.net>, relay=mx.example.net[203.0.113.{c}]:25, delay=0.{c}, "
    "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {d})",
    'dockerd[{a}]: time="2026-01-01T00:00:00.{b}Z" level=info msg="ignoring event" container={d} '
    "module=libcontainerd namespace=moby topic=/tasks/delete",
    'containerd[{a}]: level=info msg="shim disconnected" id={d} namespace=k8s.io',
    'kubelet[{a}]: I0101 00:00:00.{b} {a} reconciler_common.go:{c}] "operationExecutor.VerifyController'
    'AttachedVolume started for volume" pod="shop/widget-{d}"',
    'kubelet[{a}]: E0101 00:00:00.{b} {a} pod_workers.go:{c}] "Error syncing pod, skipping" err="failed to '
    '\\"StartContainer\\" with CrashLoopBackOff: back-off 5m0s restarting" pod="shop/widget-{d}"',
    "dhclient[{a}]: DHCPACK of 10.2.{c}.{c} from 10.2.0.1",
    "ntpd[{a}]: kernel reports TIME_ERROR: 0x41: Clock Unsynchronized",
    "chronyd[{a}]: Selected source 192.0.2.{c} (2.pool.example.org)",
    "rsyslogd: action 'action-{c}-builtin:omfwd' resumed (module 'builtin:omfwd') [v8.2302.0]",
    "NetworkManager[{a}]: <info>  [17675{b}.{a}] dhcp4 (eth0): state changed new lease, address=10.2.{c}.{c}",
    "dbus-daemon[{a}]: [system] Successfully activated service 'org.freedesktop.hostname1'",
    'audit[{a}]: USER_ACCT pid={a} uid=0 auid={b} ses={c} msg=\'op=PAM:accounting acct="root" '
    'exe="/usr/sbin/cron" hostname=? addr=? terminal=cron res=success\'',
    "postgres[{a}]: [{c}-1] LOG:  checkpoint complete: wrote {b} buffers ({c}.2%); write={c}.{a} s",
    "haproxy[{a}]: 198.51.100.{c}:{b} [01/Jan/2026:00:00:00.{c}] https~ widgets/web{c} 0/0/1/{c}/{c} 200 {b} "
    '---- {a}/{c}/0/0/0 0/0 "GET /static/app.{d}.js HTTP/2.0"',
    "widgetd[{a}]: INFO [worker-{c}] order {d} priced in {b} us, {c} items, 0 retries",
    "kernel: [{a}.{b}] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:{c}:52:54:00:65:43:21:08:00 "
    "SRC=198.51.100.{c} DST=10.2.0.7 LEN=44 TOS=0x00 PREC=0x00 TTL=245 ID={b} PROTO=TCP SPT={b} DPT=23 SYN",
    "kernel: [{a}.{b}] eth0: renamed from veth{d}",
    "kernel: [{a}.{b}] docker0: port {c}(veth{d}) entered forwarding state",
    "kernel: [{a}.{b}] EXT4-fs (dm-{c}): mounted filesystem with ordered data mode. Quota mode: none.",
    "kernel: [{a}.{b}] usb 1-{c}: new high-speed USB device number {c} using xhci_hcd",
)
"""What the daemons of a machine say, most lines; numbers are put in from a, small, to c, d a word."""
LOUD = (
    "widgetd[{a}]: WARNING: pool of {c} connections is used up, {b} waiting",
    "java[{a}]: WARNING: An illegal reflective access operation has occurred in module {d}",
    "java[{a}]: INFO: Deployment of web application archive widget{c}.war has finished in {b} ms",
    "widgetd[{a}]: Killed worker {c}: no answer, {b} bytes received",
)
"""What holds words with which reports begin, one line of `LOUD_EVERY`."""
LOUD_EVERY = 20_000
CHUNK_LINES = 20_000
WITHOUT = "import sys; sys.modules['hyperscan'] = None; from keepsane.cli import main; sys.exit(main())"
"""keepsane where hyperscan is not installed."""


class Took(NamedTuple):
    """Seconds of a process on the clock and on the processor, its most memory in MiB, and what it wrote."""

    clock: float
    cpu: float
    memory_mib: float
    said: bytes


class Syslog:
    """Writes the log: always the same for the same size."""

    def __init__(self) -> None:
        """Begin on New Year's Day."""
        self._random = Random(12)
        self._seconds = 0.0

    def ordinary(self, count: int) -> Iterator[str]:
        """Give so many lines of a day on which nothing happens."""
        rolls = self._random.choices(range(len(DAEMONS)), k=count)
        for number, roll in enumerate(rolls):
            loud = number % LOUD_EVERY == LOUD_EVERY - 1
            line = self._random.choice(LOUD) if loud else DAEMONS[roll]
            one = self._random.getrandbits(44)
            word = f"{one:011x}"
            yield self._front() + line.format(a=100 + one % 29_989, b=one % 59_999, c=one % 250, d=word)

    def report(self, log: str) -> Iterator[str]:
        """Give the lines of a kernel."""
        front = self._front() + "kernel: "
        return (front + line for line in log.splitlines())

    def _front(self) -> str:
        self._seconds += 2.9
        minutes, second = divmod(int(self._seconds), 60)
        days, minute = divmod(minutes, 1440)
        date = f"{MONTHS[days // 28 % 12]} {days % 28 + 1:2d}"
        return f"{date} {minute // 60:02d}:{minute % 60:02d}:{second:02d} {HOST} "


def logs_of_cases(count: int) -> list[str]:
    """Give logs with at least one report each that stay what they are behind a syslog's front."""
    paths = [path for path in sorted(CASES.glob("*/*.case")) if path.parent.name != "quiet"]
    logs = list(dict.fromkeys(read_case(path).log for path in paths))
    plain = [log for log in logs if log.isascii() and len(log) < 20_000 and _is_told_behind_a_front(log)]
    Random(12).shuffle(plain)
    if len(plain) < count:
        raise SystemExit(f"tests/cases has {len(plain)} such logs, {count} are asked for")
    return plain[:count]


def _is_told_behind_a_front(log: str) -> bool:
    bare, dressed = events_of(log), events_of("\n".join(Syslog().report(log)))
    return bool(bare) and [event.title for event in bare] == [event.title for event in dressed]


def write_log(path: Path, megabytes: int, reports: int) -> None:
    """Write the log, its reports spread evenly."""
    syslog, logs = Syslog(), logs_of_cases(reports)
    size_bytes, place = megabytes * 1_000_000, 0
    with path.open("w", encoding="utf-8") as out:
        while (at := out.tell()) < size_bytes:
            while place < len(logs) and at * (len(logs) + 1) >= size_bytes * (place + 1):
                out.writelines(f"{line}\n" for line in syslog.report(logs[place]))
                place += 1
            out.writelines(f"{line}\n" for line in syslog.ordinary(CHUNK_LINES))
        for log in logs[place:]:
            out.writelines(f"{line}\n" for line in syslog.report(log))


def run(command: Sequence[str]) -> Took:
    """Run a process to its end."""
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        started = subprocess.Popen(command, stdout=said, env=installed({**os.environ, "LC_ALL": "C"}))
        _, status, used = os.wait4(started.pid, 0)
        took = time.perf_counter() - begun
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode not in FOUND_OR_NOT:
            raise SystemExit(f"exit code {started.returncode}: {' '.join(command)}")
        said.seek(0)
        return Took(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said.read())


def plain_lines(path: Path) -> Iterator[str]:
    """Give the lines of the log one by one: nothing is searched ahead."""
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from (line.removesuffix("\n") for line in file)


def as_json(path: Path) -> str:
    """Explain the log without the search."""
    return render_json(explain(plain_lines(path), Options(name=str(path), cache=False)))


def measure(log: Path, pairs: int) -> dict[str, list[Took]]:
    """Run grep, and keepsane with and without hyperscan, in turn."""
    arguments = ["explain", "--no-cache", str(log)]
    commands = {
        "grep": [shutil.which("grep") or "grep", "-c", "Call Trace", str(log)],
        "with hyperscan": [*KEEPSANE, *arguments],
        "without": [sys.executable, "-c", WITHOUT, *arguments],
    }
    taken: dict[str, list[Took]] = {name: [] for name in commands}
    for _ in range(pairs):
        for name, command in commands.items():
            taken[name].append(run(command))
    return taken


def main() -> None:
    """Print the ratio of each pair, and whether the reports are equal."""
    megabytes, reports, pairs = (*map(int, sys.argv[1:4]), *(1000, 200, 5)[len(sys.argv[1:4]) :])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "syslog")
        write_log(log, megabytes, reports)
        warm_pages(log)
        taken = measure(log, pairs)
        begun = time.perf_counter()
        unsearched = as_json(log)
        by_line = time.perf_counter() - begun
        ways = ([*KEEPSANE], [sys.executable, "-c", WITHOUT])
        asked = ["explain", "--no-cache", str(log), "--format", "json"]
        is_equal = all(run([*way, *asked]).said.decode() == unsearched for way in ways)
        loud = sum(GATE.search(line) is not None for line in plain_lines(log))
    grep = taken.pop("grep")
    print(f"{megabytes} MB, {reports} logs, {loud} lines with words of the kernel's; median of {pairs} pairs")
    print(f"  grep: {median(took.clock for took in grep):.2f} s")
    for name, runs in taken.items():
        ratios = sorted(our.clock / their.clock for our, their in zip(runs, grep, strict=True))
        cpu = median(our.cpu / their.cpu for our, their in zip(runs, grep, strict=True))
        print(
            f"  {name}: {median(ratios):.1f} times grep's time ({ratios[0]:.1f} to {ratios[-1]:.1f}), "
            f"{cpu:.1f} times its processor time; {median(our.clock for our in runs):.2f} s, "
            f"{max(our.memory_mib for our in runs):.0f} MiB"
        )
    print(f"  line by line: {by_line:.1f} s; the reports {'are equal' if is_equal else 'DIFFER'}")
    raise SystemExit(not is_equal)


if __name__ == "__main__":
    main()

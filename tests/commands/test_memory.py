# SPDX-License-Identifier: GPL-2.0-or-later
"""What `keepsane memory` prints of captures, of this machine and of a record, and what it refuses."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from keepsane.cli import main
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.record.record import record
from keepsane.memory.snapshot import Snapshot

CASES = Path(__file__).parents[1] / "cases" / "memory"
ON, FIXED = str(CASES / "zone-reclaim-on-6.12.tar.gz"), str(CASES / "zone-reclaim-on-fixed-6.12.tar.gz")
live = pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="this machine has no /proc/vmstat")

# The captures' names say what was provoked in them.
VERDICTS = [
    ("zone-reclaim-on-6.1", 1, "zone reclaim bites: set vm.zone_reclaim_mode to 0", "zone-reclaim-biting"),
    ("zone-reclaim-mglru-1-6.12", 1, "zone reclaim is tried in vain", "zone-reclaim-in-vain"),
    ("zone-reclaim-armed-6.12", 0, "nothing suffers; vm.zone_reclaim_mode is 1", "zone-reclaim-armed"),
    ("bound-6.12", 1, "control group /lab may only use node 0, and that is full", "bind-starved"),
    ("thp-always-6.1", 1, "page faults wait for huge pages: defrag is always", "thp-direct-compact"),
    ("cgroup-limit-6.12", 1, "the control group /lab is at its limit", "memcg-limit-not-host"),
    ("real-shortage-6.1", 1, "memory is short: there is too little for what runs", "real-shortage"),
    ("healthy-idle-6.12", 0, "nothing is wrong with its memory, as far as was measured", None),
]


@pytest.mark.parametrize(("name", "code", "words", "rule"), VERDICTS, ids=[one[0] for one in VERDICTS])
def test_the_first_line_is_the_verdict_and_the_exit_code_follows_it(
    name: str, code: int, words: str, rule: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(CASES / f"{name}.tar.gz")
    assert main(["memory", path]) == code
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith(f"{path}: {words}")
    assert rule is None or f"[{rule}]" in said
    assert "  ruled out\n" in said


def test_an_advice_has_the_command_what_keeps_it_what_undoes_it_and_what_it_costs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["memory", ON])
    said = " ".join(capsys.readouterr().out.split())
    assert "run: sysctl -w vm.zone_reclaim_mode=0 undo: sysctl -w vm.zone_reclaim_mode=1" in said
    assert (
        "put `vm.zone_reclaim_mode = 0` into /etc/sysctl.d/90-memory.conf. No sysctl file or TuneD profile"
        in said
    )
    assert "verify: pgscan_direct in /proc/vmstat rises by far less than" in said
    assert "risk: numa_miss and other_node rise" in said
    assert "only where each workload is bound to a node on purpose" in said


def test_no_digit_is_shown_that_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for path in (ON, str(CASES / "healthy-idle-6.1.tar.gz")):
        main(["memory", path])
        said = capsys.readouterr().out
        assert not {"0.0", "0.00"} & set(said.split())
        assert "without allocation stalls" in said or path != ON


def test_json_has_the_verdict_first_and_what_was_ruled_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", ON, "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["source"] == ON
    assert report["kernel"]["release"] == "6.12.117+deb12-cloud-amd64"
    first = report["findings"][0]
    assert (first["rule"], first["severity"]) == ("zone-reclaim-biting", "warning")
    assert first["advice"][0]["command"] == "sysctl -w vm.zone_reclaim_mode=0"
    files = {path: text for path, text in read_capture(Path(ON))[1].files.items() if "/" in path}
    for evidence in first["evidence"]:
        number, _, path = evidence["file"].partition("/")
        assert number == "t0" or evidence["quote"] in files[path]
    ruled_out = {one["rule"] for one in report["ruled_out"]}
    assert {"real-shortage", "numa-balancing-cost", "thp-direct-compact"} <= ruled_out
    assert {one["name"] for one in report["facts"]} >= {"memory", "free", "sampled", "per second"}


def test_two_captures_of_one_machine_are_one_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", ON, FIXED, "--format", "json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    assert report["source"] == f"{ON} and {FIXED}"
    assert any(one["said"].startswith("4 times") for one in report["facts"])


def test_verify_says_that_it_is_gone_with_the_counters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", FIXED, "--verify", ON]) == 0
    said = capsys.readouterr().out
    assert "  gone: zone-reclaim-biting\n" in said
    assert "vm.zone_reclaim_mode is 0, which is off" in " ".join(said.split())
    # 67264 - 17632 pages in the 13.43 s between the uptimes.
    assert "pgscan_direct: 3696 per second before, 0 now" in said


def test_verify_says_what_is_still_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", ON, "--verify", ON, "--format", "json"]) == 1
    verified = json.loads(capsys.readouterr().out)["verified"][0]
    assert (verified["rule"], verified["outcome"]) == ("zone-reclaim-biting", "still there")
    counter = verified["counters"][0]
    assert counter["before_per_second"] == counter["after_per_second"] > 1000


# Pages.


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]


def page_of(arguments: list[str], out: Path) -> str:
    assert main(["memory", *arguments, "--format", "html", "-o", str(out)]) in (0, 1)
    return out.read_text(encoding="utf-8")


def must_be_self_contained(text: str) -> None:
    page = _Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert all(link.startswith("#") for link in page.links)
    assert "url(" not in text and "@import" not in text
    assert "default-src 'none'" in text


def test_a_page_is_complete_in_itself(tmp_path: Path) -> None:
    text = page_of([ON], tmp_path / "page.html")
    must_be_self_contained(text)
    assert "zone reclaim bites" in text and "ruled out" in text and "sysctl -w vm.zone_reclaim_mode=0" in text


HOSTILE = "<script>alert(1)</script>\x1b]0;owned\x07\x9b2J"


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """The capture of zone reclaim once more, with markup and escape sequences wherever text is taken over."""
    path = tmp_path / f"a{HOSTILE.replace('/', '-')}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for number, snapshot in enumerate(read_capture(Path(ON))):
            for name, text in _spoiled(snapshot):
                data = text.encode()
                info = tarfile.TarInfo(f"t{number}/{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return str(path)


def _spoiled(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    group = f"sys/fs/cgroup/{HOSTILE.replace('/', '-')}"
    bound = ("cpuset.mems.effective", "0\n"), ("memory.pressure", "some avg10=9 avg60=9 avg300=9 total=1\n")
    yield from ((f"{group}/{name}", text) for name, text in bound)
    yield from snapshot.files.items()
    yield "etc/sysctl.d/10-<b>bold<b>.conf", "vm.zone_reclaim_mode = 1\n"
    yield f"etc/sysctl.d/{HOSTILE.replace('/', '-')}.conf", "vm.zone_reclaim_mode = 1\n"
    yield "proc/77/status", f"Name:\t{HOSTILE}\nPid:\t77\nMems_allowed_list:\t0\n"
    yield "proc/77/cgroup", f"0::/{HOSTILE}\n"
    yield "proc/cmdline", f"quiet {HOSTILE}\n"
    yield "dmesg", f"[    1.000000] {HOSTILE}: page allocation failure: order:0, mode:0x820(GFP_ATOMIC)\n"


def test_what_a_capture_says_is_data(
    hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["memory", hostile]) == 1
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b"} & set(said)
    assert "script" in said and "/etc/sysctl.d/" in said

    text = page_of([hostile], tmp_path / "page.html")
    must_be_self_contained(text)
    assert not {"\x1b", "\x07", "\x9b"} & set(text)
    assert "<script" not in text and "<b>" not in text and "&lt;script&gt;" in text


# This machine, and records of it.


@live
def test_this_machine_is_sampled_captured_and_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "now.tar.gz"
    assert main(["memory", "capture", str(out), "--seconds", "1"]) == 0
    assert capsys.readouterr().out == f"{out}: 2 samples\n"
    assert out.stat().st_mode & 0o777 == 0o600
    assert main(["memory", str(out), "--format", "json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    assert report["kernel"]["release"] == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert len(report["ruled_out"]) + len(report["failures"]) + len(report["findings"]) >= 30


def test_the_script_is_one_a_shell_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--script"]) == 0
    script = tmp_path / "capture.sh"
    assert main(["memory", "--script", "-o", str(script)]) == 0
    assert capsys.readouterr().out == script.read_text()
    assert subprocess.run(["sh", "-n", str(script)], capture_output=True, check=False).returncode == 0
    assert script.read_text().startswith("#!/bin/sh\n")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not Path("/proc/vmstat").exists():
        pytest.skip("this machine has no /proc/vmstat")
    path = tmp_path_factory.mktemp("record") / "days.record"
    assert record(path, seconds=2) == 3
    return path


def test_a_record_is_judged_around_a_moment(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", str(recorded), "--at=-1s", "--format", "json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    assert report["source"] == str(recorded)
    assert any(one["name"] == "sampled" and one["said"].startswith("3 times") for one in report["facts"])


def test_a_record_is_plotted_with_the_users_own_latency_beside_it(recorded: Path, tmp_path: Path) -> None:
    now = time.time()
    latency = tmp_path / "latency.csv"
    latency.write_text(f"time,p99<i>ms\n{now - 2:.2f},3\n{now - 1:.2f},250\n")
    text = page_of([str(recorded), "--latency", str(latency), "--at=-1s"], tmp_path / "page.html")
    must_be_self_contained(text)
    assert "p99&lt;i&gt;ms" in text and "<i>" not in text
    assert text.count("<svg") >= 2


def test_the_verb_records_until_it_is_asked_to_end(tmp_path: Path) -> None:
    import signal
    import sys

    path = tmp_path / "r"
    command = [sys.executable, "-m", "keepsane.cli", "memory", "--record", str(path), "--keep", "12h"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while not path.exists() and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert said.startswith(f"{path}: ") and said.endswith(" samples\n")


# Would a request succeed?


def test_a_small_request_would_succeed_and_a_large_one_would_not(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = str(CASES / "fragmentation-6.12.tar.gz")
    assert main(["memory", pieces, "--order", "0"]) == 0
    assert capsys.readouterr().out.startswith("1 page (GFP_KERNEL): yes\n")
    # The last columns of its buddyinfo, 128 pages and more in one piece, are all 0.
    assert main(["memory", pieces, "--order", "9"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("512 pages in one piece (GFP_KERNEL): no\n")
    assert "0 free blocks of this size or more" in said


def test_the_node_and_who_asks_are_part_of_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", ON, "--order", "0", "--node", "1", "--atomic", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["ledger"]["zone"]["node"] for one in found["zones"]} == {1}
    assert found["request"]["gfp"]["may_sleep"] is False


# What is refused: one sentence, exit code 2, nothing on standard output.


def _broken(tmp_path: Path) -> str:
    path = tmp_path / "broken.tar.gz"
    path.write_bytes(gzip.compress(b"this is no tar"))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seconds", "0"], "--seconds 0 is not from 1 to 86400"),
        (["--seconds", "86401"], "is not from 1 to 86400"),
        (["capture"], "capture takes the file to write"),
        (["capture", "/nonexistent/x.tar.gz", "--seconds", "1"], "cannot write /nonexistent/x.tar.gz"),
        (["/nonexistent.tar.gz"], "/nonexistent.tar.gz does not exist"),
        (["--verify", "/nonexistent.tar.gz"], "/nonexistent.tar.gz does not exist"),
        (["--at=-1s"], "ask about a record"),
        ([ON, "--at", "14:03"], "ask about a record"),
        ([ON, "--latency", "x.csv", "--format", "html"], "ask about a record"),
        ([ON, "--latency", "x.csv"], "--format html"),
        ([ON, "-o", "/nonexistent/out"], "cannot write /nonexistent/out"),
        (["--order", "99"], "an order goes from 0 to 20, not 99"),
        (["--order", "-1"], "an order goes from 0 to 20, not -1"),
        (["--order", "1", "--zone", "Foo"], "no request can ask for zone Foo: there are DMA, DMA32"),
        (["--node", "0"], "--node, --zone and --atomic are about one request: say its size by --order K"),
        ([ON, "--atomic"], "say its size by --order K"),
        ([ON, "--order", "0", "--format", "html"], "--order is answered as text or JSON"),
        ([ON, "--record", "r"], "--record samples this machine; leave the path out"),
        (["--pid", "4194305"], "--pid 4194305: there is no such process"),
        (["--pid", "-1"], "there is no such process"),
        (["--record", "/nonexistent/r"], "cannot record into /nonexistent/r"),
        (["--record", "r", "--keep", "5x"], "--keep 5x is no time; give minutes, hours or days"),
        (["--record", "r", "--keep", "0d"], "--keep 0d is no time"),
        (["--record", "r", "--keep", "-1d"], "--keep"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["memory", *arguments])
    except SystemExit as ended:  # argparse itself
        code = int(ended.code or 0)
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert words in said.err
    assert "Traceback" not in said.err
    assert not list(tmp_path.iterdir())


def test_what_is_no_capture_and_no_record_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, folder = tmp_path / "notes.txt", tmp_path / "empty"
    text.write_text("hello\n")
    folder.mkdir()
    for path in (_broken(tmp_path), str(text), str(folder)):
        assert main(["memory", path]) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith("keepsane: ") and said.err.count("\n") == 1
    assert main(["memory", "--record", str(text)]) == 2
    assert "is no record of keepsane" in capsys.readouterr().err
    assert text.read_text() == "hello\n"


def test_no_file_is_overwritten_that_holds_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "a.tar.gz"
    capture.write_bytes(Path(FIXED).read_bytes())
    assert main(["memory", str(capture), "-o", str(capture)]) == 2
    assert main(["memory", "capture", str(capture), "--seconds", "1"]) == 2
    assert "File exists; name another file" in capsys.readouterr().err
    assert capture.read_bytes() == Path(FIXED).read_bytes()


def test_a_moment_that_is_none_and_one_outside_the_record(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["memory", str(recorded), "--at", "teatime"]) == 2
    assert "'teatime' is no time; write 03:14" in capsys.readouterr().err
    assert main(["memory", str(recorded), "--at=-9d"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_sosreport_is_one_sample_of_which_no_rate_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = tmp_path / "sosreport-db1-2026-11-25-abcdefg"
    for name, text in read_capture(Path(ON))[1].files.items():
        if name.startswith("proc/") and not name.startswith(("proc/uptime", "proc/sys")):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
    said = top / "sos_commands" / "kernel" / "sysctl_-a"
    said.parent.mkdir(parents=True)
    said.write_text("vm.zone_reclaim_mode = 1\n")
    assert main(["memory", str(top), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert any(one["said"].startswith("once") for one in report["facts"])
    unknown = {one["what"].removeprefix("rule ") for one in report["failures"]}
    assert {"zone-reclaim-biting", "global-direct-reclaim"} <= unknown
    assert not [one for one in report["findings"] if one["severity"] != "info"]

# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures, written and read, and what hostile ones do."""

from __future__ import annotations

import io
import lzma
import os
import resource
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.memory.capture import archive
from keepsane.memory.capture.capture import read_capture, write_capture
from keepsane.memory.snapshot import Missing, Snapshot
from keepsane.memory.state import state_of

SAMPLES = (
    Snapshot(
        files={"time": "1000.00\n", "proc/uptime": "100.00 1.00\n", "proc/vmstat": "pgfault 1\n"},
        missing=(
            Missing(path="proc/slabinfo", reason="not permitted"),
            Missing(path="proc/zoneinfo", reason="too slow", milliseconds=7.5),
        ),
    ),
    Snapshot(files={"time": "1010.00\n", "proc/uptime": "110.00 1.00\n", "proc/vmstat": "pgfault 51\n"}),
)


def tar_of(files: dict[str, str], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


TREE = {
    "./t0/proc/uptime": "1.00 1.00\n",
    "./t0/proc/vmstat": "a 1\n",
    "./t10/proc/uptime": "11.00 1.00\n",
} | {"./t9/proc/uptime": "10.00 1.00\n"}


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "capture"
    path.write_bytes(data)
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    out = tmp_path / "out.tar.gz"

    assert write_capture(out, SAMPLES) == 2
    assert read_capture(out) == SAMPLES


def test_the_interval_is_the_difference_of_the_uptimes(tmp_path: Path) -> None:
    write_capture(tmp_path / "out.tar.gz", SAMPLES)
    state = state_of(read_capture(tmp_path / "out.tar.gz"))

    assert state is not None
    assert (state.interval_seconds, state.rate("pgfault")) == (10.0, 5.0)
    assert (state.first.epoch_seconds, state.last.epoch_seconds) == (1000.0, 1010.0)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    write_capture(tmp_path / "out.tar.gz", SAMPLES)

    assert (tmp_path / "out.tar.gz").stat().st_mode & 0o777 == 0o600


def test_what_may_not_be_read_in_a_folder_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def guarded(path: str, flags: int, dir_fd: int | None = None) -> int:
        if path == "slabinfo":  # root may read every file, so its mode would prove nothing
            raise PermissionError(13, "Permission denied")
        return really(path, flags, dir_fd=dir_fd)

    (tmp_path / "proc").mkdir()
    for name in ("uptime", "slabinfo"):
        (tmp_path / "proc" / name).write_text("1.00 1.00\n")
    monkeypatch.setattr(os, "open", guarded)

    (snapshot,) = read_capture(tmp_path)

    assert snapshot.missing == (Missing(path="proc/slabinfo", reason="not permitted"),)


def test_a_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "out.tar.gz").write_text("mine")

    with pytest.raises(InputError, match="File exists"):
        write_capture(tmp_path / "out.tar.gz", SAMPLES)
    assert (tmp_path / "out.tar.gz").read_text() == "mine"


def test_where_the_disk_is_full_no_half_capture_stays(tmp_path: Path) -> None:
    large = Snapshot(files={"proc/vmstat": "".join(f"{hash((1, at)):x} {at}\n" for at in range(50_000))})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(InputError, match="File too large"):
            write_capture(tmp_path / "out.tar.gz", (large,) * 9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pack", [bytes, lzma.compress, zstandard.compress])
def test_a_tar_may_be_packed_in_any_way_and_samples_are_numbered(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    snapshots = read_capture(written(tmp_path, pack(tar_of(TREE))))

    # 9 comes before 10
    assert [snapshot.line("proc/uptime") for snapshot in snapshots] == [
        "1.00 1.00",
        "10.00 1.00",
        "11.00 1.00",
    ]


def test_a_folder_of_samples_and_a_folder_that_is_one(tmp_path: Path) -> None:
    for path, text in TREE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert len(read_capture(tmp_path)) == 3
    (one,) = read_capture(tmp_path / "t0")
    assert one.text("proc/vmstat") == "a 1\n"


def sosreport(name: str, uptime: str, faults: int, boot: str = "b") -> dict[str, str]:
    return {
        f"{name}/proc/vmstat": f"pgfault {faults}\n",
        f"{name}/proc/sys/kernel/random/boot_id": boot + "\n",
        f"{name}/sos_commands/host/uptime": f" 10:00:00 up {uptime},  1 user,  load average: 0.00\n",
        f"{name}/sos_commands/kernel/sysctl_-a": "vm.zone_reclaim_mode = 1\n",
        f"{name}/var/log/messages": "not wanted\n",
        f"{name}/sos_logs/sos.log": "not wanted\n",
    }


def test_two_sosreports_of_one_boot_are_a_pair_in_either_order(tmp_path: Path) -> None:
    early, late = tmp_path / "early.tar.xz", tmp_path / "late.tar.xz"
    early.write_bytes(tar_of(sosreport("sosreport-db1-a", "1 day,  2:00", 1000), "w:xz"))
    late.write_bytes(tar_of(sosreport("sosreport-db1-b", "1 day,  3:00", 4600), "w:xz"))

    for pair in ((early, late), (late, early)):
        state = state_of(read_capture(*pair))
        assert state is not None
        assert (state.interval_seconds, state.rate("pgfault")) == (3600.0, 1.0)
    assert not any("log" in path for snapshot in read_capture(early) for path in snapshot.files)


def test_two_sosreports_of_two_boots_have_no_rates(tmp_path: Path) -> None:
    early, late = tmp_path / "early.tar", tmp_path / "late.tar"
    early.write_bytes(tar_of(sosreport("s1", "1 day,  2:00", 1000)))
    late.write_bytes(tar_of(sosreport("s2", "9 days,  3:00", 4600, boot="c")))

    state = state_of(read_capture(early, late))
    assert state is not None
    assert state.rate("pgfault") is None


def test_two_captures_without_a_boot_id_keep_their_order_and_say_what_is_assumed(tmp_path: Path) -> None:
    for name, uptime in (("a", "5.00"), ("b", "3.00"), ("c", "9.00")):
        (tmp_path / name).write_bytes(tar_of({"t0/proc/uptime": f"{uptime} 1.00\n"}))

    backwards = state_of(read_capture(tmp_path / "a", tmp_path / "b"))
    forwards = state_of(read_capture(tmp_path / "a", tmp_path / "c"))

    assert backwards is not None and backwards.interval_seconds is None
    assert forwards is not None and forwards.interval_seconds == 4.0
    assert "no boot id" in forwards.notes[0]


@pytest.mark.parametrize(
    ("files", "said"),
    [({}, "holds no sample"), ({"readme": "x"}, "holds no sample"), ({"t0/missing": "x"}, "holds no sample")],
)
def test_what_is_no_capture_is_said(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_capture(written(tmp_path, tar_of(files)))


def test_two_captures_in_one_are_not_mixed(tmp_path: Path) -> None:
    files = {"db1/t0/proc/uptime": "1.00 1.00\n", "db2/t0/proc/uptime": "2.00 1.00\n"}

    with pytest.raises(InputError, match="holds 2 captures; name one: db1/, db2/"):
        read_capture(written(tmp_path, tar_of(files)))


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_capture(tmp_path / "no")


def test_no_link_is_followed_in_a_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a 1\n")
    folder = tmp_path / "t0" / "proc"
    folder.mkdir(parents=True)
    (folder / "uptime").write_text("1.00 1.00\n")
    (folder / "vmstat").symlink_to(secret)
    os.mkfifo(folder / "meminfo")
    (folder / "pressure").symlink_to(tmp_path)

    (snapshot,) = read_capture(tmp_path)

    assert set(snapshot.files) == {"proc/uptime"}


def test_names_that_climb_and_links_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    out = io.BytesIO(
        tar_of({"t0/proc/uptime": "1.00 1.00\n", "../../etc/sysctl.conf": "x", "/proc/vmstat": "y 1\n"})
    )
    with tarfile.open(fileobj=out, mode="a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("t0/proc/meminfo")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    before = set(tmp_path.parent.rglob("*"))

    (snapshot,) = read_capture(written(tmp_path, out.getvalue()))

    assert set(snapshot.files) == {"proc/uptime"}
    assert set(tmp_path.parent.rglob("*")) - before <= {tmp_path / "capture"}


def test_a_file_that_is_too_large_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 600)
    data = tar_of({"t0/proc/uptime": "1.00 1.00\n", "t0/proc/zoneinfo": "x" * 601})

    (snapshot,) = read_capture(written(tmp_path, data))

    assert snapshot.missing == (Missing(path="proc/zoneinfo", reason="too large"),)


def test_a_bomb_gives_what_was_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 20_000)
    data = tar_of({"t0/proc/uptime": "1.00 1.00\n", "t0/junk": "x" * 30_000, "t1/proc/uptime": "2.00 1.00\n"})

    assert len(read_capture(written(tmp_path, data))) == 1


def test_there_is_a_limit_on_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)

    assert (
        len(read_capture(written(tmp_path, tar_of({f"t{n}/proc/uptime": "1.00 1.00\n" for n in range(9)}))))
        == 3
    )


def test_a_header_that_claims_gigabytes_is_not_believed(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    header = info.tobuf(tarfile.GNU_FORMAT)
    data = tar_of({"t0/proc/uptime": "1.00 1.00\n"})[:1024] + header + b"x" * 10_240

    assert len(read_capture(written(tmp_path, data))) == 1


def test_headers_that_announce_headers_without_end_do_not_overflow(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 5
    chain = (info.tobuf(tarfile.GNU_FORMAT) + b"name\0".ljust(512, b"\0")) * 5000

    with pytest.raises(InputError):
        read_capture(written(tmp_path, chain))


WHOLE = tar_of(
    {"t0/proc/uptime": "1.00 1.00\n", "t0/proc/vmstat": "a 1\n", "t1/proc/uptime": "2.00 1.00\n"}, "w:gz"
)


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 11))
def test_a_cut_capture_gives_what_it_has_or_says_so(tmp_path: Path, cut: int) -> None:
    try:
        snapshots = read_capture(written(tmp_path, WHOLE[:cut]))
    except InputError:
        return
    whole = read_capture(written(tmp_path, WHOLE))
    assert snapshots == whole or snapshots[-1].damage.startswith("the capture is incomplete: ")
    for snapshot in snapshots:
        assert set(snapshot.files) <= {"proc/uptime", "proc/vmstat"}
        assert snapshot.text("proc/vmstat") in (None, "a 1\n")


def test_a_tar_that_was_cut_between_two_files_is_incomplete(tmp_path: Path) -> None:
    plain = tar_of({"t0/proc/uptime": "1.00 1.00\n", "t1/proc/uptime": "2.00 1.00\n"})

    (snapshot,) = read_capture(written(tmp_path, plain[:1024]))  # a header and a block of data

    assert snapshot.damage.endswith("its end is missing")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | st.tuples(st.integers(0, 4095), st.binary(max_size=40)))
def test_any_bytes_are_a_capture_or_an_error(tmp_path: Path, data: bytes | tuple[int, bytes]) -> None:
    plain = tar_of(TREE)
    if isinstance(data, tuple):
        data = plain[: data[0]] + data[1] + plain[data[0] + len(data[1]) :]
    try:
        read_capture(written(tmp_path, data))
    except InputError:
        pass

# SPDX-License-Identifier: GPL-2.0-or-later
"""The generated initrd, unpacked by GNU cpio, and the scripts in it as the shells of machines run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import UUID

import pytest

from keepsane.errors import InputError
from keepsane.netboot.initrd import ON_MACHINE, generated_initrd

BOOT, BEFORE = "a" * 32, "b" * 32
BUSYBOX = Path("/bin/busybox")
needs_busybox = pytest.mark.skipif(not BUSYBOX.exists(), reason="no busybox-static here")
SHELLS = [shell for shell in (("dash",), ("busybox", "sh")) if shutil.which(shell[0])]

Run = Callable[..., str]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A static program for this test: an ELF head with one segment that is loaded."""
    path = tmp_path / "busybox"
    head = bytearray(64 + 56)
    head[:6] = b"\x7fELF\x02\x01"
    head[0x20], head[0x36], head[0x38], head[64] = 64, 56, 1, 1
    path.write_bytes(head)
    return path


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio here")
def test_it_has_busybox_and_what_the_kernel_starts(tmp_path: Path, program: Path) -> None:
    place = tmp_path / "unpacked"
    place.mkdir()
    packed = generated_initrd(tmp_path / "cache", program).read_bytes()
    listed = subprocess.run(["cpio", "-itv", "--quiet"], input=packed, capture_output=True, check=True)
    assert b"crw-------" in listed.stdout  # the console, which only root may make
    subprocess.run(["cpio", "-id", "--quiet", "-f", "dev/console"], input=packed, cwd=place, check=True)
    assert (place / "bin/busybox").read_bytes() == program.read_bytes()
    assert os.access(place / "init", os.X_OK) and os.access(place / "bin/busybox", os.X_OK)
    assert (place / "sbin/modprobe").resolve() == (place / "bin/busybox").resolve()
    assert all((place / name).is_dir() for name in ("proc", "sys", "dev", "run"))


def test_it_is_packed_once_for_what_it_is_made_of(tmp_path: Path, program: Path) -> None:
    first = generated_initrd(tmp_path / "cache", program)
    written = first.stat().st_mtime_ns
    assert generated_initrd(tmp_path / "cache", program) == first
    assert first.stat().st_mtime_ns == written
    with program.open("ab") as file:
        file.write(b"newer")
    assert generated_initrd(tmp_path / "cache", program) != first


def test_a_busybox_that_is_missing_is_named_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-such.*No such file.*install Debian's busybox-static"):
        generated_initrd(tmp_path, tmp_path / "no-such")


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01", b"\x7fELF\x01\x01" + bytes(80)])
def test_what_is_no_static_program_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "busybox").write_bytes(content)
    with pytest.raises(InputError, match="is no static program"):
        generated_initrd(tmp_path / "cache", tmp_path / "busybox")


def test_a_program_with_libraries_is_refused(tmp_path: Path) -> None:
    shell = Path("/bin/sh").resolve()
    with pytest.raises(InputError, match="is no static program"):
        generated_initrd(tmp_path, shell)


@pytest.fixture(params=SHELLS, ids=" ".join)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run functions of the scripts in a shell; what they read of the machine lies below `tmp_path`."""
    for folder in ("proc", "sys/fs/pstore", "run/keepsane", "dev"):
        (tmp_path / folder).mkdir(parents=True)
    scripts = []
    for name in ("keepsane-agent", "init"):
        text = (ON_MACHINE / name).read_text("ascii")
        text = text.partition('\nsay "boot ')[0] if name == "init" else text
        head, _, functions = text.partition("\n. /bin/network\n")
        for path in ("/proc/", "/sys/", "/run/", "/dev/kmsg", "/dev/${disk"):
            head, functions = (part.replace(path, f"{tmp_path}{path}") for part in (head, functions))
        scripts.append(functions if name == "init" else head)

    def shell(command: str, command_line: str = "") -> str:
        (tmp_path / "proc/cmdline").write_text(f"{command_line}\n")
        done = subprocess.run(
            [*request.param, "-c", "\n".join((*scripts, command))], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return shell


@pytest.mark.parametrize(
    ("command_line", "value"),
    [
        ("quiet keepsane.run=sh", "sh"),
        ("keepsane.run=one keepsane.run=two", "two"),
        ('keepsane.run="echo $(reboot) `reboot` && a  b" quiet', "echo $(reboot) `reboot` && a  b"),
        ('"keepsane.run=echo a b" quiet', "echo a b"),
        (r'keepsane.run="a\tb \"', "a\\tb \\"),
        ("xkeepsane.run=no keepsane.running=no", ""),
        ('t="keepsane.run=no', ""),
        ("", ""),
    ],
)
def test_a_value_of_the_command_line_is_data(run: Run, command_line: str, value: str) -> None:
    assert run("parameter keepsane.run", command_line) == f"{value}\n"


@pytest.mark.parametrize(
    ("has_card", "said"),
    [
        (False, "no driver for the network card: no modules of 0.0.9 came with it"),
        (True, "no network: no card got an address"),
    ],
)
def test_why_there_is_no_network_is_one_line(run: Run, tmp_path: Path, has_card: bool, said: str) -> None:
    if has_card:
        (tmp_path / "sys/class/net/eth0/device").mkdir(parents=True)
        (tmp_path / "sys/class/net/eth0/carrier").write_text("1\n")
    network, *_ = (ON_MACHINE / "network").read_text("ascii").partition("\n# shellcheck disable=SC2154")
    kmsg = tmp_path / "dev/kmsg"
    stubs = "sleep() { :; }; ip() { :; }; ifconfig() { :; }; udhcpc() { false; }; uname() { echo 0.0.9; }"
    lines = f'say() {{ echo "$*" >> {kmsg}; }}'
    run(
        "\n".join(
            (network.replace("/sys/", f"{tmp_path}/sys/"), stubs, lines, "load_modules; bring_network_up")
        )
    )
    assert kmsg.read_text() == f"{said}\n"


def disk_with(guid: UUID | None, tmp_path: Path) -> Path:
    """Give the folder in /sys of the second partition of a disk: of a GPT, or of an MBR with a signature."""
    disk = bytearray(64 << 10)
    if guid is None:
        disk[440:444] = bytes.fromhex("78563412")
    else:
        disk[512:520], disk[512 + 72] = b"EFI PART", 2
        disk[1024 + 128 + 16 : 1024 + 128 + 32] = guid.bytes_le
    (tmp_path / "dev/sdz").write_bytes(disk)
    part = tmp_path / "block/sdz/sdz2"
    (part.parent / "queue").mkdir(parents=True)
    (part.parent / "queue/logical_block_size").write_text("512\n")
    part.mkdir()
    (part / "partition").write_text("2\n")
    return part


def test_a_partition_of_a_gpt_has_the_name_of_its_entry(run: Run, tmp_path: Path) -> None:
    guid = UUID("33221100-5544-7766-8899-aabbccddeeff")
    assert run(f"partition_uuid {disk_with(guid, tmp_path)}") == str(guid)


def test_a_partition_of_an_mbr_is_named_by_the_disk(run: Run, tmp_path: Path) -> None:
    assert run(f"partition_uuid {disk_with(None, tmp_path)}") == "12345678-02"


class Taken:
    """A server that takes what is posted, and refuses the boots that are named."""

    def __init__(self, *refused: str) -> None:
        self.posts: list[tuple[str, bytes]] = []
        taken = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_refused = self.path.rpartition("/")[2] in refused
                if not is_refused:
                    taken.posts.append((self.path, body))
                self.send_response(409 if is_refused else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def words(self) -> str:
        return f"keepsane.boot={BOOT} keepsane.server=127.0.0.1:{self.server.server_port}"


@pytest.fixture
def taken() -> Iterator[Callable[..., Taken]]:
    started: list[Taken] = []

    def start(*refused: str) -> Taken:
        started.append(Taken(*refused))
        return started[-1]

    yield start
    for each in started:
        each.server.shutdown()
        each.server.server_close()


def keep(tmp_path: Path, name: str, text: bytes) -> Path:
    path = tmp_path / "sys/fs/pstore" / name
    path.write_bytes(text)
    return path


def test_what_a_crash_left_is_posted_for_the_boot_that_it_names_and_removed(
    run: Run, taken: Callable[..., Taken], tmp_path: Path
) -> None:
    server = taken()
    older = keep(tmp_path, "dmesg-efi-2", b"Oops#1 Part2\nCommand line: keepsane.boot=%b\n" % BEFORE.encode())
    newer = keep(tmp_path, "dmesg-efi-1", b"Oops#1 Part1\nlast words\n")
    run("post_pstore", server.words)
    ((path, body),) = server.posts
    assert path == f"/p/{BEFORE}"
    assert body.index(b"Command line") < body.index(b"last words")
    assert not older.exists() and not newer.exists()
    run("post_pstore", server.words)
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("log", "refused"), [(b"no name", ()), (b"keepsane.boot=" + BEFORE.encode(), (BEFORE,))]
)
def test_what_names_no_boot_that_is_taken_is_posted_for_this_one(
    run: Run, taken: Callable[..., Taken], tmp_path: Path, log: bytes, refused: tuple[str, ...]
) -> None:
    server = taken(*refused)
    keep(tmp_path, "dmesg-ramoops-0", log)
    run("post_pstore", server.words)
    assert [path for path, _ in server.posts] == [f"/p/{BOOT}"]


def test_what_nobody_takes_stays(run: Run, taken: Callable[..., Taken], tmp_path: Path) -> None:
    server = taken(BOOT)
    kept = keep(tmp_path, "dmesg-ramoops-0", b"last words")
    run("post_pstore || true", server.words)
    assert kept.read_bytes() == b"last words"


def test_no_more_is_posted_than_the_server_takes(
    run: Run, taken: Callable[..., Taken], tmp_path: Path
) -> None:
    server = taken()
    keep(tmp_path, "console-ramoops-0", bytes(2 << 20))
    run("post_pstore", server.words)
    assert len(server.posts[0][1]) == 1 << 20


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here")
def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    scripts = [ON_MACHINE / name for name in ("init", "network", "keepsane-agent")]
    done = subprocess.run(["shellcheck", "-x", *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

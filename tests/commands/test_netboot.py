# SPDX-License-Identifier: GPL-2.0-or-later
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from shlex import quote
from urllib.request import urlopen

import pytest

from keepsane.cli import main
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import FILE, History, Making
from keepsane.netboot.store import Store
from keepsane.netboot.ways_in import dnsmasq_conf
from tests.netboot.test_kernel_image import image

BANNER = b"6.12.9-test+ (dave@box) #12 SMP Mon Nov 30 10:00:00 UTC 2026"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with a kernel in it is the current directory; one machine is known."""
    monkeypatch.setenv("KEEPSANE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KEEPSANE_MACHINE", raising=False)
    describe(tmp_path, "box")
    tree = tmp_path / "tree"
    (tree / "arch" / "x86" / "boot").mkdir(parents=True)
    (tree / "arch" / "x86" / "boot" / "bzImage").write_bytes(image(BANNER))
    (tree / "System.map").write_text("0000000000000000 A stub\n")
    monkeypatch.chdir(tree)
    return tree


def describe(folder: Path, name: str) -> None:
    machines = folder / "home" / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    (machines / f"{name}.toml").write_text("")


def said(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["netboot", *words]) == code
    out, err = capfd.readouterr()
    return out + err


def last_making() -> Making:
    with closing(History(netboot_folder())) as history:
        making = history.last_making("box")
    assert making is not None
    return making


def test_what_make_built_is_kept_and_offered(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built = said(capfd, "build", "--", "sh", "-c", "echo '  CC      init/main.o'")
    assert "  CC      init/main.o\n" in built
    assert re.search(r"box gets 6\.12\.9-test\+ #12 \(.*\): \d{8}-\d{6}-\w{8}\n", built)
    assert Store(netboot_folder()).builds()[0].machine == "box"
    assert "once more" in said(capfd, "again", "box")


@pytest.mark.parametrize("code", [1, 2, 77])
def test_a_build_that_fails_has_its_exit_code_and_keeps_nothing(
    tree: Path, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    said(capfd, "build", "--", "sh", "-c", f"echo 'w.c:1: error: no'; exit {code}", code=code)
    assert "was offered no build yet" in said(capfd, "again", "box", code=2)


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (("true",), "make built no kernel: there is no arch/x86/boot/bzImage here"),
        (("no-such-make",), "cannot run no-such-make"),
    ],
)
def test_what_cannot_be_built_is_2(
    tree: Path, capfd: pytest.CaptureFixture[str], make: tuple[str, ...], wrong: str
) -> None:
    (tree / "arch" / "x86" / "boot" / "bzImage").unlink()
    text = said(capfd, "build", "--", *make, code=2)
    assert wrong in text
    making = last_making()
    assert making.state == "failed" and text == f"keepsane: {making.errors}\n", "the screen says the same"


def test_an_image_that_is_no_kernel_is_refused(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tree / "arch" / "x86" / "boot" / "bzImage").write_bytes(b"\x7fELF" + bytes(70_000))
    assert "is no bzImage" in said(capfd, "build", "--", "true", code=2)


def test_kbuilds_arguments_are_those_of_install(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "install", "6.12.9-test+", "arch/x86/boot/bzImage", "System.map", "/boot")
    assert "kept 6.12.9-test+ #12 as " in text and "box gets it" in text


def test_a_build_for_nobody_in_particular_is_kept_and_offered_to_none(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(tmp_path, "other")
    built = said(capfd, "build", "--", "true")
    assert "offered to no machine: keepsane netboot again MACHINE" in built and "one of box, other" in built
    assert said(capfd, "build", "--", "sh", "-c", "exit 3", code=3) == ""
    stored = said(capfd, "install", "", "arch/x86/boot/bzImage", "System.map")
    assert "offered to no machine: keepsane netboot again MACHINE" in stored
    assert "other gets" in said(capfd, "build", "--machine", "other", "--", "true")
    monkeypatch.setenv("KEEPSANE_MACHINE", "box")
    assert "box gets" in said(capfd, "build", "--", "true")
    monkeypatch.delenv("KEEPSANE_MACHINE")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "config", "keepsane.machine", "other"], check=True)
    assert "other gets" in said(capfd, "build", "--", "true")


def test_a_machine_that_is_none_is_named(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "no machine is called tset" in said(capfd, "build", "--machine", "tset", "--", "true", code=2)


def test_the_good_build_is_one_that_is_kept(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "booted nothing yet" in said(capfd, "good", "box", code=2)
    assert "no build is called" in said(capfd, "good", "box", "../x", code=2)
    built = said(capfd, "build", "--", "true")
    name = built.split()[-1]
    assert f"{name} is the good build of box" in said(capfd, "good", "box", name)


def test_ways_in_name_the_server(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "setup", "192.168.1.5", "ways")
    assert "copy ways/first.ipxe and /usr/lib/ipxe/ipxe.lkrn to its /boot" in text
    assert text.endswith("keepsane netboot serve --address 192.168.1.5\n")
    assert "http://192.168.1.5:8069/w?" in Path("ways/first.ipxe").read_text()
    assert "initrd16 $keepsane/first.ipxe" in Path("ways/grub.cfg").read_text()
    assert (
        "dhcp-boot=tag:ipxe,http://192.168.1.5:8069/s,,192.168.1.5" in Path("ways/dnsmasq.conf").read_text()
    )


def test_the_next_step_names_the_port(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "setup", "192.168.1.5:80", "ways")
    assert text.endswith("keepsane netboot serve --address 192.168.1.5 --port 80\n")


def test_a_machine_is_described_first(tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = "no machine is described yet: keepsane netboot edit test-box\nthen, here: "
    assert first not in said(capfd, "setup", "192.168.1.5", "ways")
    (tmp_path / "home" / "machines" / "box.toml").unlink()
    assert first in said(capfd, "setup", "192.168.1.5", "ways")


def test_a_folder_without_a_name_is_refused(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "the folder has no name" in said(capfd, "setup", "1.2.3.4", "", code=2)
    assert not Path("first.ipxe").exists()


@pytest.mark.parametrize("address", ["box", "1.2.3.4:0", "1.2.3.4:99999", "::1", "1.2.3.4:8069/x", ""])
def test_what_is_no_address_is_refused(tree: Path, capfd: pytest.CaptureFixture[str], address: str) -> None:
    assert "is no " in said(capfd, "setup", address, "ways", code=2)
    assert not Path("ways").exists()


def test_old_builds_go_and_what_a_machine_needs_stays(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = [said(capfd, "build", "--", "true").split()[-1] for _ in range(3)]
    said(capfd, "good", "box", names[0])
    gone = said(capfd, "prune", "--keep", "0")
    assert f"removed {names[1]}  6.12.9-test+ #12" in gone and names[0] not in gone and names[2] not in gone
    assert said(capfd, "prune", "--keep", "0") == "nothing to remove\n"
    for words in (("again", "box", names[1]), ("good", "box", names[1]), ("show", names[1])):
        assert said(capfd, *words, code=2) == f"keepsane: {names[1]} was removed by prune\n"
    unknown = "20200101-000000-00000000"
    assert f"no build is called {unknown}" in said(capfd, "show", unknown, code=2)
    assert "once more" in said(capfd, "again", "box", names[0])


def test_a_build_that_is_not_offered_yet_is_not_removed(
    tree: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has published it, and offers it in a moment."""
    monkeypatch.setattr(History, "offer", lambda *ignored: 1)
    said(capfd, "install", "", "arch/x86/boot/bzImage", "System.map")
    said(capfd, "prune", "--keep", "0")
    assert len(Store(netboot_folder()).builds()) == 1


@pytest.mark.parametrize(
    ("name", "why"), [("pipe", "is no file"), ("vmlinux", "and at most 4096 MB are kept")]
)
def test_what_is_no_file_or_too_large_is_refused(
    tree: Path, capfd: pytest.CaptureFixture[str], name: str, why: str
) -> None:
    os.mkfifo("pipe")
    if name == "vmlinux":
        with Path("vmlinux").open("wb") as file:
            file.truncate(5 << 30)
    image = "pipe" if name == "pipe" else "arch/x86/boot/bzImage"
    assert why in said(capfd, "install", "", image, "System.map", code=2)
    assert Store(netboot_folder()).builds() == []


def test_the_doctor_is_red_where_nobody_serves(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "doctor", "127.0.0.1:1", code=1)
    assert "red   no server answers at 127.0.0.1:1" in text
    assert "red   box: no network card is named" in text
    assert "ok    box: restarts 10 s after a panic" in text


def test_the_doctor_looks_at_the_files_that_are_named(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "setup", "192.168.1.5", "ways")
    Path("bad.cfg").write_text('menuentry "x" {\n linux16 /boot/ipxe.lkrn dhcp && chain http://h/s\n}\n')
    Path("lspci.txt").write_text(
        "00:03.0 Ethernet controller [0200]: Intel [8086:100e]\n\tKernel modules: e1000\n"
    )
    Path(".config").write_text("CONFIG_E1000=y\n")
    said(capfd, "build", "--", "true")
    words = ["--grub", "bad.cfg", "--dnsmasq", "ways/dnsmasq.conf", "--script", "ways/first.ipxe"]
    text = said(capfd, "doctor", "127.0.0.1:1", *words, "--devices", "lspci.txt", code=1)
    assert "red   bad.cfg: GRUB takes && and || for its own" in text
    assert "ok    ways/dnsmasq.conf: " in text and "ok    ways/first.ipxe: " in text
    assert "ok    box: its kernel has CONFIG_E1000=y for Intel [8086:100e]" in text
    assert re.search(r"red   box: no vmlinux of \S+ was kept, nor a System.map, or one that is a stub", text)
    assert "cannot read nofile" in said(capfd, "doctor", "--grub", "nofile", code=2)
    assert "no machine is called x" in said(capfd, "doctor", "--machine", "x", code=2)


def test_the_doctor_says_what_is_red_first_and_makes_nothing(
    tree: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("dnsmasq").write_text(dnsmasq_conf("203.0.113.9", 8069, 0))
    text = said(capfd, "doctor", "127.0.0.1:1", "--dnsmasq", "dnsmasq", code=1)
    words = [line.split()[0] for line in text.splitlines()]
    assert words == sorted(words, key=["red", "note", "ok"].index) and len(set(words)) == 3
    assert "note  dnsmasq: dhcp-range=203.0.113.0 is in no network of this machine" in text
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["machines"]


def test_a_system_map_that_is_not_there_is_refused(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "install", "", "arch/x86/boot/bzImage", "nowhere/System.map", code=2)
    assert "there is no nowhere/System.map" in text
    assert "kept" not in text


def test_an_address_of_another_machine_is_not_served(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "serve", "--address", "203.0.113.9", "--port", "0", code=2)
    assert "this machine has no such address; it has 127.0.0.1" in text


def test_the_doctor_says_the_same_as_json(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "doctor", "127.0.0.1:1", code=1)
    listed = json.loads(said(capfd, "doctor", "127.0.0.1:1", "--format", "json", code=1))
    assert listed["schema"] == 1
    lines = [f"{row['result']:<6}{row['what']}\n" for row in listed["rows"]]
    free = re.compile(r"\S+ GB are free")
    assert free.sub("", "".join(lines)) == free.sub("", text)


VERBS = (
    ("build", "--", "true"),
    ("install", "", "arch/x86/boot/bzImage", "System.map"),
    ("again", "box"),
    ("good", "box"),
    ("history",),
    ("prune",),
    ("doctor", "127.0.0.1:1"),
    ("serve", "--port", "0"),
)


def spoil_newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


def spoil_tables(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for table in ("offer", "making", "boot", "good"):
            connection.execute(f"DROP TABLE {table}")


SPOILT = {
    "newer": (spoil_newer, "a newer keepsane wrote it"),
    "tables": (spoil_tables, "is damaged"),
    "text": (lambda file: file.write_text("no database, but text" * 100), "is damaged"),
    "cut": (lambda file: os.truncate(file, 5000), "is damaged"),
    "folder": (lambda file: (file.unlink(), file.mkdir()), "is a link or belongs to another user"),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_history_that_cannot_be_used_is_one_sentence(
    tree: Path, capfd: pytest.CaptureFixture[str], verb: tuple[str, ...], how: str
) -> None:
    History(netboot_folder()).close()
    spoil, why = SPOILT[how]
    spoil(netboot_folder() / FILE)
    if verb[0] == "serve" and how == "tables":
        return  # it is opened, and asked when a machine asks
    text = said(capfd, *verb, code=2)
    sentences = [line for line in text.splitlines() if line.startswith("keepsane: ")]
    assert len(sentences) == 1 and why in sentences[0] and FILE in sentences[0]


def test_a_note_that_cannot_be_written_loses_no_build(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The table is taken away, and brought back, by what stands for make."""
    History(netboot_folder()).close()
    script = (
        "import sqlite3, time\n"
        f"file = sqlite3.connect({str(netboot_folder() / FILE)!r}, isolation_level=None)\n"
        "file.execute('ALTER TABLE making RENAME TO away')\n"
        "for line in range(3):\n    print('CC', line, flush=True); time.sleep(0.3)\n"
        "file.execute('ALTER TABLE away RENAME TO making')\n"
    )
    assert "box gets" in said(capfd, "build", "--", sys.executable, "-c", script)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_build_that_is_ended_is_said_and_ends_make(tree: Path, number: signal.Signals) -> None:
    # Whoever runs the tests under nohup hands an ignored SIGHUP down.
    command = ["env", "--default-signal", sys.executable, "-m", "keepsane.cli", "netboot", "build", "--"]
    make = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
    with subprocess.Popen(
        [*command, *make], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as ran:
        assert ran.stdout is not None and ran.stderr is not None
        pid = int(ran.stdout.readline())
        ran.send_signal(number)
        assert ran.wait(30) == 2
        assert ran.stderr.read() == "keepsane: interrupted\n"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert last_making().state == "failed" and last_making().errors == "it was interrupted"


def test_a_build_under_nohup_outlives_its_terminal(tree: Path) -> None:
    make = "import os, signal; os.kill(os.getppid(), signal.SIGHUP)"
    command = [sys.executable, "-m", "keepsane.cli", "netboot", "build", "--", sys.executable, "-c", make]
    ran = subprocess.run(["env", "--ignore-signal=HUP", *command], capture_output=True, text=True)
    assert ran.returncode == 0 and "box gets" in ran.stdout


def test_who_reads_no_more_of_the_server_stops_no_machine(tree: Path) -> None:
    command = [sys.executable, "-m", "keepsane.cli", "netboot", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().rstrip("/s\n").rpartition(":")[2]
        server.stdout.close()
        try:
            for card in ("01", "02"):
                query = f"http://127.0.0.1:{port}/w?m=52-54-00-12-34-{card}"
                with urlopen(query, timeout=10) as answer:
                    assert answer.status == 200
        finally:
            server.send_signal(signal.SIGINT)


@pytest.mark.parametrize("port", ["99999", "-1", "65536"])
def test_what_is_no_port_is_refused(tree: Path, capfd: pytest.CaptureFixture[str], port: str) -> None:
    assert f"{port} is no TCP port" in said(capfd, "serve", "--port", port, code=2)


def test_a_history_without_boots_says_so(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, "history") == "no machine has booted anything yet\n"
    assert said(capfd, "history", "box") == "box booted nothing yet\n"
    assert "no machine is called nobox" in said(capfd, "history", "nobox", code=2)
    assert "\\xff is no name of a machine" in said(capfd, "history", "\udcff", code=2)


def test_a_release_drives_no_terminal(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "install", "6.12\x1b[31m", "arch/x86/boot/bzImage", "System.map")
    assert "kept 6.12\\x1b[31m #12" in text
    said(capfd, "install", "", "arch/x86/boot/bzImage", "System.map")
    gone = said(capfd, "prune", "--keep", "0")
    assert "6.12\\x1b[31m" in gone


def test_a_tree_of_a_name_that_is_no_text_is_built(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / os.fsdecode(b"tree-\xff")
    tree.rename(odd)
    monkeypatch.chdir(odd)
    assert "box gets" in said(capfd, "build", "--", "true")
    assert last_making().tree.endswith("tree-\\xff")
    assert "box gets it" in said(capfd, "install", "", "arch/x86/boot/bzImage", "System.map")


@pytest.mark.parametrize("words", ["history", "again box", "build -- true"])
def test_a_disk_without_room_is_one_sentence(tree: Path, words: str) -> None:
    """No file may grow: the nearest to a full disk that needs no disk."""
    script = f"ulimit -f 0; exec {quote(sys.executable)} -m keepsane.cli netboot {words}"
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.startswith("keepsane: cannot use ") and ran.stderr.count("\n") == 1


def test_the_demo_says_what_it_lacks(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tree))
    monkeypatch.setenv("IPXE_LKRN", str(tree / "ipxe.lkrn"))
    lacks = said(capfd, "serve", "--demo", code=2)
    assert lacks == (
        f"keepsane: the demo needs qemu-system-x86_64, gcc, make, ld, {tree}/ipxe.lkrn, not found here: "
        "apt-get install --no-install-recommends qemu-system-x86 gcc make binutils ipxe\n"
    )

# SPDX-License-Identifier: GPL-2.0-or-later
"""
A store whose process is killed, whose disk is full, which two publish to at once.

Each case runs in a process of its own that forks for every step: the child is killed by SIGKILL before its
first operation on files, the next before its second, ... until one comes through.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.netboot.test_kernel_image import image

PUBLISH = {
    "kernel": b"HdrS" * 1000,
    "modules": b"070701" * 100,
    "vmlinux": b"ELF" * 100_000,
    "config": b"CONFIG_X=y\n",
}

KILLED = """
import hashlib, json, os, signal, sys
from pathlib import Path
from keepsane.netboot.debug_files import unpack_debug
from keepsane.netboot.store import Store
from tests.netboot.test_store import SAID

folder, action = Path(sys.argv[1]), sys.argv[2]
store, debug = Store(folder / "store"), folder / "debug"
sources = {name: folder / name for name in ("kernel", "modules", "vmlinux", "config")}
left, killed = None, 0

def count(event, arguments=()):
    global left
    if left is not None and (event == "open" or event.startswith(("os.", "shutil.", "fcntl."))):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

real_sync = os.fsync
os.fsync = lambda descriptor: (count("os.fsync"), real_sync(descriptor))
sys.addaudithook(count)

def publish(number):
    (folder / "kernel").write_bytes(b"HdrS %d" % number)
    return store.publish(sources, SAID | {"number": f"#{number}"})

def contents(build):
    for file in build.files:
        target = folder / "unpacked"
        if file.name in ("kernel", "modules"):
            content = store.path(build, file.name).read_bytes()
        else:
            store.unpack(build, file.name, target)
            content = target.read_bytes()
            target.unlink()
        assert hashlib.sha256(content).hexdigest() == file.sha256, (build.id, file.name)

def act(number):
    if action == "publish":
        publish(number)
    elif action == "remove":
        store.remove(store.builds()[0])
    else:
        unpack_debug(store, store.builds()[0], debug, lambda path: path.read_bytes()[:20].hex())

old = [publish(number) for number in (1, 2)]
for step in range(1, 500):
    if action == "remove" and len(store.builds()) == 2:
        publish(step)
    child = os.fork()
    if child == 0:
        left = step
        act(step)
        os._exit(0)
    ended = os.waitpid(child, 0)[1]
    listed = store.builds()
    assert {build.id for build in old} <= {build.id for build in listed}, "an older build is lost"
    for build in listed:
        assert store.damage(build) is None
        contents(build)
    if action == "debug":
        for path in debug.glob("kernels/*/*"):
            assert (path / "vmlinux").stat().st_size == 300_000
        for path in debug.glob(".build-id/??/*.debug"):
            assert path.stat().st_size == 300_000
    if ended == 0:
        break
    assert os.WTERMSIG(ended) == signal.SIGKILL
    killed += 1
else:
    raise AssertionError("it never came through")
left = None
last = publish(1000)
act(1001)
store.sweep()
assert not list((folder / "store" / "builds").glob(".half-*")) and not list(debug.glob(".half-*"))
kept = {path.stat().st_ino for path in (folder / "store" / "builds").glob("*/*")}
assert {path.stat().st_ino for path in (folder / "store" / "objects").iterdir()} <= kept
print(json.dumps({"killed": killed, "builds": len(store.builds())}))
"""

SMALL_DISK = """
import os, subprocess, sys
from pathlib import Path
from keepsane.cli import main
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.store import Store

words = ["netboot", "install", "", "arch/x86/boot/bzImage", "System.map"]
assert main(words) == 0
before = Store(netboot_folder()).builds()
image = Path("arch/x86/boot/bzImage")
image.write_bytes(image.read_bytes() + b"another")
Path("vmlinux").write_bytes(os.urandom(8 << 20))
assert main(words) == 2
assert Store(netboot_folder()).builds() == before and Store(netboot_folder()).damage(before[0]) is None
assert not list(netboot_folder().glob("builds/.half-*"))
assert len(list(netboot_folder().glob("objects/*"))) == len(before[0].files)
Path("vmlinux").unlink()
assert main(words) == 0 and len(Store(netboot_folder()).builds()) == 2
"""

TWO = """
import sys
from pathlib import Path
from keepsane.netboot.store import Store
from tests.netboot.test_store import SAID
folder = Path(sys.argv[1])
sources = {name: folder / name for name in ("kernel", "modules", "vmlinux", "config")}
for number in range(8):
    build = Store(folder / "store").publish(sources, SAID | {"number": f"#{number}"})
    if number % 3 == 2:
        Store(folder / "store").remove(build)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in PUBLISH.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(("action", "least"), [("publish", 40), ("remove", 10), ("debug", 15)])
def test_no_kill_leaves_half_a_build_or_costs_an_older_one(folder: Path, action: str, least: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), action], capture_output=True, text=True, env=os.environ
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["killed"] >= least


def namespaces() -> bool:
    words = ("unshare", "--mount", "true")
    return (
        shutil.which("unshare") is not None
        and subprocess.run(words, stderr=subprocess.DEVNULL).returncode == 0
    )


@pytest.mark.parametrize("how", ["tmpfs", "limit"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, how: str) -> None:
    if how == "tmpfs" and not namespaces():
        pytest.skip("a small file system needs root")
    home = tmp_path / "home"
    home.mkdir()
    tree = tmp_path / "tree" / "arch" / "x86" / "boot"
    tree.mkdir(parents=True)
    (tree / "bzImage").write_bytes(image(b"6.12.9-test+ (dave@box) #12 SMP"))
    (tmp_path / "tree" / "System.map").write_text("0000000000000000 A stub\n")
    mount = f"mount -t tmpfs -o size=3m none {home}" if how == "tmpfs" else "ulimit -f 4096"
    unshare = ["unshare", "--mount"] if how == "tmpfs" else []
    # The tree needs a disk of its own: the limit is on every file, so that one is written by another hand.
    text = SMALL_DISK
    if how == "limit":
        text = text.replace(
            'Path("vmlinux").write_bytes(os.urandom(8 << 20))',
            'os.link("../vmlinux", "vmlinux")',
        )
        (tmp_path / "vmlinux").write_bytes(os.urandom(8 << 20))
    ran = subprocess.run(
        [*unshare, "bash", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, text],
        cwd=tmp_path / "tree",
        env=os.environ | {"KEEPSANE_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    why = "No space left on device" if how == "tmpfs" else "File too large"
    assert ran.stderr == f"keepsane: cannot go on: {why}\n"


def test_two_that_publish_at_once_lose_nothing(folder: Path) -> None:
    words = [sys.executable, "-c", TWO, str(folder)]
    both = [subprocess.Popen(words, env=os.environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for ran in both:
        assert ran.communicate()[1] == "" and ran.returncode == 0
    receipts = list((folder / "store" / "builds").glob("*/receipt.json"))
    assert len(receipts) == 12
    for receipt in receipts:
        files = json.loads(receipt.read_bytes())["files"]
        assert {path.name for path in receipt.parent.iterdir()} == {
            "receipt.json",
            "kernel",
            "modules",
            "vmlinux.zst",
            "config.zst",
        } and len(files) == 4

# SPDX-License-Identifier: GPL-2.0-or-later
"""Publishing with what it is meant for: sbsign, an ssh server, a kernel that unpacks the modules."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keepsane.netboot.cpio import file, link, write_cpio
from keepsane.netboot.install import Gathered
from keepsane.netboot.modules import pack_modules
from keepsane.netboot.sign import sign
from keepsane.netboot.store import Store
from tests.live.netboot.conftest import OwnKernel

pytestmark = pytest.mark.live
INIT = b"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
[ -L /lib ] && echo lib is a link
/bin/busybox find /usr/lib/modules -name lkdtm.ko
/bin/busybox insmod $(/bin/busybox find /lib/modules/ -name lkdtm.ko) && echo lkdtm is loaded
/bin/busybox reboot -f
"""


def test_a_kernel_unpacks_the_modules_through_a_link(own_kernel: OwnKernel, tmp_path: Path) -> None:
    packed = pack_modules(own_kernel.tree, tmp_path)
    assert packed.problem == ""
    initrd = io.BytesIO()
    busybox = file("bin/busybox", Path("/bin/busybox"), runs=True)
    write_cpio(
        initrd,
        [
            busybox,
            file("usr/lib/x", b""),
            link("lib", "usr/lib"),
            file("proc/x", b""),
            file("dev/x", b""),
            file("init", INIT, runs=True),
        ],
    )
    both = tmp_path / "both"
    both.write_bytes(initrd.getvalue() + packed.files["modules"].read_bytes())
    words = [
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-m",
        "512",
        "-nographic",
        "-no-reboot",
        "-monitor",
        "none",
    ]
    options = ["-kernel", str(own_kernel.image), "-initrd", str(both), "-append", "console=ttyS0 panic=1"]
    ran = subprocess.run([*words, *options], capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    said = ran.stdout.decode("utf-8", "replace")
    assert "lib is a link" in said, said[-2000:]
    assert "/usr/lib/modules/" in said and "lkdtm is loaded" in said, said[-2000:]


@pytest.mark.skipif(shutil.which("sbsign") is None, reason="there is no sbsign: package sbsigntool")
def test_sbsign_signs_what_sbverify_accepts(own_kernel: OwnKernel, tmp_path: Path) -> None:
    key = ("-subj", "/CN=test", "-days", "2", "-keyout", "db.key", "-out", "db.crt")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *key]
    subprocess.run(request, cwd=tmp_path, check=True, capture_output=True)
    words = ("sbsign", "--key", "db.key", "--cert", "db.crt", "--output", "{signed}", "{kernel}")
    signed = sign(Gathered({"kernel": own_kernel.image}, {}, tmp_path), words, tmp_path).files["kernel"]
    verify = ("sbverify", "--cert", str(tmp_path / "db.crt"))
    assert subprocess.run([*verify, str(signed)], capture_output=True).returncode == 0
    assert subprocess.run([*verify, str(own_kernel.image)], capture_output=True).returncode != 0


@pytest.fixture
def server(tmp_path: Path) -> str:
    """An ssh server of this user on loopback, as KEEPSANE_SSH reaches it."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    python = f"env KEEPSANE_HOME={tmp_path / 'there'} {sys.executable}"
    command = f"{python} -m keepsane.cli netboot install --receive"
    public = (tmp_path / "user.pub").read_text()
    (tmp_path / "keys").write_text(f'restrict,command="{command}" {public}')
    Path("/run/sshd").mkdir(exist_ok=True)
    options = [
        f"HostKey={tmp_path / 'host'}",
        f"AuthorizedKeysFile={tmp_path / 'keys'}",
        "StrictModes=no",
        "UsePAM=no",
        f"PidFile={tmp_path / 'pid'}",
    ]
    proxy = " ".join(["/usr/sbin/sshd", "-i", "-f", "/dev/null", *(f"-o {option}" for option in options)])
    known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -F /dev/null"
    return f"ssh {known} -i {tmp_path / 'user'} -o 'ProxyCommand={proxy}'"


@pytest.mark.skipif(not Path("/usr/sbin/sshd").exists() or os.geteuid() != 0, reason="needs sshd and root")
def test_an_ssh_server_receives(own_kernel: OwnKernel, server: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "keepsane.cli", "netboot", "install", "--to", "localhost", ""]
    home = {"KEEPSANE_HOME": str(tmp_path / "here"), "KEEPSANE_SSH": server}
    ran = subprocess.run(
        [*words, own_kernel.image, "System.map"],
        cwd=own_kernel.tree,
        env=os.environ | home,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    (build,) = Store(tmp_path / "there" / "netboot").builds()
    assert f"localhost: kept {build.release} {build.number} as {build.id}" in ran.stdout
    assert build.file("modules") is not None and build.file("vmlinux") is not None

# SPDX-License-Identifier: GPL-2.0-or-later
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keepsane.errors import InputError
from keepsane.netboot.install import Gathered
from keepsane.netboot.sign import sign
from tests.netboot.test_kernel_image import image

KERNEL = image(b"6.12.9-test+ (dave@box) #12 SMP")


@pytest.fixture
def gathered(tmp_path: Path) -> Gathered:
    (tmp_path / "bzImage").write_bytes(KERNEL)
    (tmp_path / "scratch").mkdir()
    return Gathered({"kernel": tmp_path / "bzImage"}, {"release": "6.12.9-test+"}, tmp_path / "scratch")


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text, "{kernel}", "{signed}")


def test_the_signed_kernel_is_what_is_kept_with_both_hashes(gathered: Gathered, tmp_path: Path) -> None:
    text = "import sys; open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read() + b'signed')"
    signed = sign(gathered, script(text), tmp_path)
    assert signed.files["kernel"].read_bytes() == KERNEL + b"signed"
    assert signed.said["unsigned_sha256"] == hashlib.sha256(KERNEL).hexdigest()
    assert "{kernel}" in signed.said["signed_with"] and signed.said["release"] == "6.12.9-test+"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("import sys; sys.exit('the key is\\nlocked')", "ended with 1: locked"),
        ("pass", "ended well, and wrote no {signed}"),
        ("import sys; open(sys.argv[2], 'w').write('no kernel')", "is no bzImage"),
        ("import os, sys; os.symlink(sys.argv[1], sys.argv[2])", "wrote no {signed}"),
        (
            "import os, sys; os.truncate(os.open(sys.argv[2], 65), 1 << 40)",
            "more than a kernel and a signature",
        ),
    ],
)
def test_what_does_not_sign_is_said(gathered: Gathered, tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(InputError, match="the kernel is not signed, and not offered: ") as said:
        sign(gathered, script(text), tmp_path)
    assert wrong in str(said.value)


def test_a_command_that_is_not_there_is_said(gathered: Gathered, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not offered: cannot run no-such-sign: No such file"):
        sign(gathered, ("no-such-sign", "{kernel}", "{signed}"), tmp_path)


def test_one_that_hangs_is_ended_with_all_it_started(gathered: Gathered, tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time; print('insert the token', flush=True)\n"
        "ran = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(ran.pid))\n"
        "time.sleep(600)"
    )
    with pytest.raises(InputError, match="did not end within 2 s: insert the token"):
        sign(gathered, script(text), tmp_path, seconds=2)
    status = Path(f"/proc/{(tmp_path / 'pid').read_text()}/status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.05)
    raise AssertionError("what it started still runs")


def test_no_shell_reads_a_word(gathered: Gathered, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot run touch owned; true"):
        sign(gathered, ("touch owned; true", "{kernel}", "{signed}"), tmp_path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.skipif(shutil.which("sbsign") is None, reason="there is no sbsign: package sbsigntool")
def test_sbsign_says_why_it_cannot(gathered: Gathered, tmp_path: Path) -> None:
    """The kernel of these tests is no EFI program; tests/live signs one that is."""
    subject = ("-subj", "/CN=test", "-days", "2", "-keyout", "db.key", "-out", "db.crt")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    words = ("sbsign", "--key", "db.key", "--cert", "db.crt", "--output", "{signed}", "{kernel}")
    with pytest.raises(InputError, match=r"sbsign ended with \d+: \w+"):
        sign(gathered, words, tmp_path)

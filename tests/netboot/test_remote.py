# SPDX-License-Identifier: GPL-2.0-or-later
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.netboot.install import Gathered
from keepsane.netboot.remote import receive, send

SAID = {
    "release": "6.12.9-test+",
    "number": "#12",
    "banner": "6.12.9-test+ #12",
    "build_id": "3b43fad5034874490492495d552c0af6a5fab235",
    "tree": "/home/dave/linux",
    "commit": "1234",
    "subject": "widget: do && undo",
}
KERNEL = b"HdrS" * 1000
FILE = {"name": "kernel", "size_bytes": len(KERNEL), "sha256": hashlib.sha256(KERNEL).hexdigest()}
HEAD = {"machine": "box", "said": SAID, "files": [FILE]}


def sent(folder: Path) -> bytes:
    files = {"kernel": KERNEL, "vmlinux": b"ELF" * 500_000, "config": b""}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    out = io.BytesIO()
    send(out, Gathered({name: folder / name for name in files}, SAID, folder), "box")
    return out.getvalue()


def stream(head: Any, body: bytes = KERNEL) -> bytes:
    raw = json.dumps(head).encode()
    return zstandard.compress(b"keepsane-build 1\n%d\n" % len(raw) + raw + body)


def received(raw: bytes, scratch: Path) -> tuple[Gathered, str]:
    scratch.mkdir(exist_ok=True)
    return receive(io.BytesIO(raw), scratch)


def test_what_was_sent_comes_in(tmp_path: Path) -> None:
    gathered, machine = received(sent(tmp_path), tmp_path / "scratch")
    assert (gathered.said, machine) == (SAID, "box")
    assert {name: path.read_bytes() for name, path in gathered.files.items()} == {
        name: (tmp_path / name).read_bytes() for name in ("kernel", "vmlinux", "config")
    }


HOSTILE = {
    "other name": (HEAD | {"files": [FILE, FILE | {"name": "../x"}]}, "a build has no file '../x'"),
    "initrd": (HEAD | {"files": [FILE, FILE | {"name": "initrd"}]}, "a build has no file 'initrd'"),
    "receipt": (HEAD | {"files": [FILE, FILE | {"name": "receipt.json"}]}, "has no file 'receipt.json'"),
    "no text": (HEAD | {"files": [FILE, FILE | {"name": 7}]}, "a build has no file '7'"),
    "twice": (HEAD | {"files": [FILE, FILE]}, "are not one kernel"),
    "no kernel": (HEAD | {"files": [FILE | {"name": "config"}]}, "are not one kernel"),
    "many": (HEAD | {"files": [FILE] * 20}, "are not one kernel"),
    "large": (HEAD | {"files": [FILE | {"size_bytes": 1 << 40}]}, "its kernel has 1099511627776 bytes"),
    "negative": (HEAD | {"files": [FILE | {"size_bytes": -1}]}, "its kernel has -1 bytes"),
    "truth": (HEAD | {"files": [FILE | {"size_bytes": True}]}, "its kernel has True bytes"),
    "another hash": (HEAD | {"files": [FILE | {"sha256": "0" * 64}]}, "has another SHA-256"),
    "no hash": (HEAD | {"files": [FILE | {"sha256": "../x"}]}, "its kernel has no SHA-256"),
    "escape": (HEAD | {"said": SAID | {"release": "6.12\x1b[2J"}}, "the release of the build"),
    "lines": (HEAD | {"said": SAID | {"subject": "a\nb"}}, "the subject of the build"),
    "long": (HEAD | {"said": SAID | {"tree": "x" * 2000}}, "the tree of the build"),
    "number": (HEAD | {"said": SAID | {"number": 12}}, "the number of the build"),
    "no release": (HEAD | {"said": {}}, "lacks 'release'"),
    "build id": (HEAD | {"said": SAID | {"build_id": "../../x" * 4}}, "the build_id of the build"),
    "machine": (HEAD | {"machine": "../x"}, "a machine that has no name"),
    "machine list": (HEAD | {"machine": ["box"]}, "the machine of the build"),
    "list": ([], "lacks"),
    "files": (HEAD | {"files": 7}, "lacks"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_sender_is_refused(tmp_path: Path, case: str) -> None:
    head, wrong = HOSTILE[case]
    with pytest.raises(InputError) as said:
        received(stream(head), tmp_path / "scratch")
    assert wrong in str(said.value)
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (b"", "ends within its head"),
        (b"GET / HTTP/1.1", "no build of keepsane comes in"),
        (zstandard.compress(b"keepsane-build 2\n"), "sends one"),
        (zstandard.compress(b"keepsane-build 1\n" + b"9" * 100), "has no size"),
        (zstandard.compress(b"keepsane-build 1\n99999\n"), "has more than"),
        (zstandard.compress(b"keepsane-build 1\n3\n{{{"), "is no JSON"),
        (zstandard.compress(b"keepsane-build 1\n32000\n" + b"[" * 32000), "is no JSON"),
        (stream(HEAD, KERNEL[:-1]), "ends within its kernel"),
        (stream(HEAD, KERNEL + b"x"), "more came than its head says"),
        (stream(HEAD, bytes(1 << 26)), "has another SHA-256"),
        (stream(HEAD)[:-9], "ends within its head"),
    ],
)
def test_what_is_no_build_is_refused(tmp_path: Path, raw: bytes, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        received(raw, tmp_path / "scratch")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
def test_no_damage_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, at: int, piece: bytes
) -> None:
    raw = stream(HEAD)
    with pytest.raises(InputError):
        received(raw[: at % len(raw)] + piece, tmp_path_factory.mktemp("scratch"))

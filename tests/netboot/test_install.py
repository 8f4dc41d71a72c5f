# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of git, in a tree whose settings name programs."""

import subprocess
from pathlib import Path

from keepsane.netboot.install import ask_git

SIGNED = """\
tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
author a <a@b> 1 +0000
committer a <a@b> 1 +0000
gpgsig -----BEGIN PGP SIGNATURE-----
 x
 -----END PGP SIGNATURE-----

usb: mend it
"""


def git(tree: Path, *words: str, say: str = "") -> str:
    ran = subprocess.run(
        ["git", "-C", str(tree), *words], input=say, text=True, check=True, stdout=subprocess.PIPE
    )
    return ran.stdout.strip()


def test_no_program_of_the_trees_settings_is_run(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    program.chmod(0o755)
    git(tmp_path, "hash-object", "-t", "tree", "-w", "--stdin")
    commit = git(tmp_path, "hash-object", "-t", "commit", "-w", "--stdin", say=SIGNED)
    git(tmp_path, "update-ref", "HEAD", commit)
    for name in ("gpg.program", "core.fsmonitor", "core.pager"):
        git(tmp_path, "config", name, str(program))
    git(tmp_path, "config", "log.showSignature", "true")
    assert ask_git(tmp_path, "log", "-1", "--format=%s") == "usb: mend it"
    assert ask_git(tmp_path, "show", "--no-patch", "--format=%s", "HEAD") == "usb: mend it"
    assert not (tmp_path / "ran").exists()

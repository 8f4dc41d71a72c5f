# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing unpinned is installed: what the two files say, and what make does with them."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from checks.renew_requirements import EXTRAS, TARGETS, requirements

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(path: Path) -> dict[str, Requirement]:
    """Read a file; every entry must be a name, one number, a marker or none, and hashes."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, Requirement] = {}
    for line in (line for line in text.splitlines() if not line.startswith("#")):
        requirement = Requirement(HASH.sub("", line).strip())
        assert HASH.search(line), line
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), line
        found[canonicalize_name(requirement.name)] = requirement
    return found


def needs(*extras: str) -> set[str]:
    said: list[str] = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"]]
    for extra in extras:
        said += PROJECT["project"]["optional-dependencies"][extra]
    names: set[str] = {canonicalize_name(Requirement(need).name) for need in said}
    return names - {"keepsane"}


def test_there_is_a_file_for_each_row_of_the_table() -> None:
    assert [path.stem for path in FILES] == sorted(EXTRAS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_package_is_pinned_by_number_and_hash_and_by_no_address(path: Path) -> None:
    pinned = pins(path)

    assert needs("symbols") | {"hatchling", "editables"} <= set(pinned)
    assert "://" not in path.read_text(encoding="utf-8")
    assert all(requirement.url is None for requirement in pinned.values())


def test_developers_run_what_users_run() -> None:
    run, dev = (pins(ROOT / "requirements" / name) for name in ("run.txt", "dev.txt"))

    assert needs("symbols", "completion", "dev") <= set(dev)
    assert {name: dev[name] for name in run} == run


def test_make_installs_nothing_that_is_not_pinned() -> None:
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo", "test"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},  # without what the make that runs these tests hands on
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    installs = [line for line in said.splitlines() if " pip install " in line]

    assert len(installs) == 3
    for line in installs:
        pinned = "--require-hashes" in line and "--only-binary :all:" in line
        assert pinned or line.endswith("--no-deps --no-build-isolation --editable .")


def package(name: str, *tags: str, marker: str | None = None) -> dict[str, Any]:
    return (
        {"name": name, "version": "1.0"}
        | ({"marker": marker} if marker else {})
        | {
            "wheels": [
                {"url": f"https://files.example/{name}-1.0-{tag}.whl", "hashes": {"sha256": tag}}
                for tag in tags
            ]
        }
    )


def written(*packages: dict[str, Any]) -> list[str]:
    lines = requirements({"packages": list(packages)}).splitlines()
    return [line.strip(" \\") for line in lines if not line.startswith("#")]


def test_only_wheels_that_fit_are_listed() -> None:
    native = [
        f"cp{v}-cp{v}-{c}_{m}"
        for v in (311, 312, 313)
        for c in ("manylinux_2_28", "musllinux_1_2")
        for m in ("x86_64", "aarch64")
    ]
    others = [
        "cp310-cp310-manylinux2014_x86_64",
        "cp313-cp313t-manylinux2014_x86_64",
        "cp314-abi3-linux_x86_64",
        "cp312-cp312-win_amd64",
        "cp312-cp312-macosx_11_0_arm64",
        "cp312-cp312-manylinux_2_17_i686",
    ]

    said = written(package("native", *native, *others))

    assert said == ["native==1.0", *(f"--hash=sha256:{tag}" for tag in sorted(native))]


def test_pure_and_stable_wheels_fit_every_target() -> None:
    stable = ["cp39-abi3-manylinux2014_aarch64", "cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"]

    assert written(package("pure", "py3-none-any")) == ["pure==1.0", "--hash=sha256:py3-none-any"]
    assert written(package("stable", *stable))[1:] == [f"--hash=sha256:{tag}" for tag in stable]


def test_a_marker_is_kept_only_where_it_tells_targets_apart() -> None:
    everywhere = "python_full_version >= '3.11'"
    some = "platform_machine == 'x86_64' and sys_platform == 'linux'"
    native = [f"cp{v}-cp{v}-manylinux2014_x86_64" for v in (311, 312, 313)]

    assert written(package("a", "py3-none-any", marker=everywhere))[0] == "a==1.0"
    assert written(package("b", *native, marker=some))[0] == f"b==1.0 ; {some}"
    assert written(package("c", "py3-none-any", marker="sys_platform == 'win32'")) == []


def test_a_package_that_would_have_to_be_built_is_refused() -> None:
    with pytest.raises(LookupError, match=r"native 1\.0 has no wheel for .*3, 12.*x86_64"):
        written(
            package(
                "native",
                *(f"cp{v}-cp{v}-manylinux2014_{m}" for v in (311, 313) for m in ("x86_64", "aarch64")),
            )
        )
    assert len(TARGETS) == 6

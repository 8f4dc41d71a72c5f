# SPDX-License-Identifier: GPL-2.0-or-later
"""Return addresses and the calls before them; objdump says where each call of our own code returns to."""

from __future__ import annotations

import pytest

from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls.calls import call_site, name_of
from keepsane.symbols.code.text import Text, functions_named
from tests.symbols.calling import build, returns

pytest.importorskip("capstone")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Image]:
    return build(tmp_path_factory.mktemp("calling"))


def _site(
    images: dict[str | None, Image], function: str, offset_bytes: int, module: str | None = None
) -> tuple[str, ...]:
    text = Text(images)
    (found,) = [one for one in functions_named(text, function) if one.module == module]
    site = call_site(text, found, found.address + offset_bytes)
    if site is None:
        return ()
    (branch,) = site.branches
    return (branch.kind, (branch.target and name_of(text, branch.target)) or branch.register or "", site.form)


def test_a_direct_call_is_found_by_where_it_returns_to(images: dict[str | None, Image]) -> None:
    (behind,) = returns(images, "direct")
    assert _site(images, "direct", behind) == ("call", "end", "")


def test_only_the_byte_behind_a_direct_call_follows_it(images: dict[str | None, Image]) -> None:
    (behind,) = returns(images, "direct")
    assert [at for at in range(1, behind + 3) if _site(images, "direct", at)] == [behind]


def test_a_call_of_a_thunk_is_found_in_every_form_it_may_run_in(images: dict[str | None, Image]) -> None:
    (behind,) = returns(images, "member")
    forms = {at - behind: _site(images, "member", at) for at in range(1, behind + 3)}
    found = {moved: said for moved, said in forms.items() if said}
    assert found == {
        -3: ("indirect call", "rax", "run as call *%rax"),
        0: ("indirect call", "rax", ""),
    }, "call *%rax is two bytes long; lfence before it makes it as long as the call of the thunk"


def test_a_module_calls_what_its_relocation_names(images: dict[str | None, Image]) -> None:
    (behind,) = returns(images, "to_kernel", "mod")
    assert _site(images, "to_kernel", behind, "mod") == ("call", "one", "")

# SPDX-License-Identifier: GPL-2.0-or-later
"""What `keepsane gfp` prints."""

from __future__ import annotations

import json

import pytest

from keepsane.cli import main


def test_a_mask_with_its_kernel_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gfp", "0xa20", "--kernel", "6.1.0-18-amd64"]) == 0
    said = capsys.readouterr().out
    assert "0xa20 = GFP_ATOMIC   in 5.1 to before 6.3" in said
    assert "do not put me to sleep" in said
    assert "may sleep      no" in said
    assert "Normal, then DMA32, then DMA" in said
    assert "__GFP_HIGH " in said


def test_without_a_kernel_other_readings_are_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gfp", "0x4020"]) == 0
    said = capsys.readouterr().out
    assert said.index("GFP_ATOMIC|__GFP_COMP") < said.index("__GFP_HIGH|__GFP_RETRY_MAYFAIL")
    assert "--kernel" in said


def test_names_give_the_mask_of_each_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gfp", "GFP_ATOMIC", "--format", "json"]) == 0
    masks = {one["mask"] for one in json.loads(capsys.readouterr().out)}
    # include/linux/gfp.h of 3.10, 4.4, 4.14, 4.19, 5.10 and 6.5
    assert masks == {0x20, 0x2080020, 0x1080020, 0x480020, 0xA20, 0x820}


def test_an_opportunistic_first_try_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    for mask, kernel in (
        ("0x92880", "6.12"),
        ("0x411280", "4.19"),
        ("0x2011280", "4.4"),
        ("0x92a20", "5.10"),
    ):
        assert main(["gfp", mask, "--kernel", kernel]) == 0
        assert "mempool" in capsys.readouterr().out


@pytest.mark.parametrize("bad", ["foo", "0x1ffffffff", "", "480020", "-1", "GFP_NONSENSE", "$(id)"])
def test_what_is_no_mask_is_refused_in_one_sentence(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gfp", bad]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("keepsane: ") and said.err.count("\n") == 1


def test_names_may_have_spaces_and_the_brackets_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gfp", "(GFP_KERNEL | __GFP_ZERO)", "--kernel", "6.1"]) == 0
    assert "0xdc0 = GFP_KERNEL|__GFP_ZERO" in capsys.readouterr().out


def test_a_kernel_that_is_no_version_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gfp", "0xcc0", "--kernel", "bookworm"]) == 2
    assert "6.1.0" in capsys.readouterr().err

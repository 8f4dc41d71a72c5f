# SPDX-License-Identifier: GPL-2.0-or-later
"""Masks whose names are known from include/linux/gfp.h of the kernel in question, added up by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.pages.gfp import candidates, decode, mask_of, names_of, tables


@pytest.mark.parametrize(
    ("mask", "release", "names"),
    [
        (0x1F0, "2.4.20", "GFP_KERNEL"),
        (0x1D2, "2.4.20", "GFP_HIGHUSER"),
        (0x20, "2.6.24", "GFP_ATOMIC"),
        (0x1200D2, "2.6.24", "GFP_HIGHUSER_MOVABLE"),
        (0x200DA, "3.13.0-24-generic", "GFP_HIGHUSER_MOVABLE"),
        (0x201DA, "2.6.32-642.el6.x86_64", "GFP_HIGHUSER_MOVABLE|__GFP_COLD"),
        (0x10D0, "3.10.0-1160.el7.x86_64", "GFP_KERNEL|__GFP_NORETRY"),
        (0x200020, "3.16.0", "GFP_ATOMIC|__GFP_NOTRACK"),
        (0x2280020, "4.4.178", "GFP_ATOMIC|__GFP_NOTRACK"),
        (0x2084120, "4.9.0", "GFP_ATOMIC|__GFP_COLD|__GFP_COMP"),
        (0x14000C0, "4.14.0", "GFP_KERNEL"),
        (0x480020, "4.19.0-6-amd64", "GFP_ATOMIC"),
        (0x404000, "5.0.1", "GFP_NOWAIT|__GFP_COMP"),
        (0x404000, "5.1.0", "__GFP_RETRY_MAYFAIL|__GFP_ACCOUNT"),
        (0x40A20, "5.10.0", "GFP_ATOMIC|__GFP_COMP"),
        (0x1100CCA, "5.15.0", "GFP_HIGHUSER_MOVABLE"),
        (0x820, "6.5.0", "GFP_ATOMIC"),
        (0x60820, "6.5.0", "GFP_ATOMIC|__GFP_COMP|__GFP_MEMALLOC"),
        (0x500CC2, "6.12.9", "GFP_HIGHUSER|__GFP_ACCOUNT"),
        (0x92880, "6.12.9", "GFP_NOWAIT|__GFP_FS|__GFP_NORETRY|__GFP_NOMEMALLOC"),
    ],
)
def test_a_mask_is_named_as_its_kernel_named_it(mask: int, release: str, names: str) -> None:
    assert decode(mask, release=release).names == names


@pytest.mark.parametrize(
    ("mask", "names", "kernels"),
    [
        (0x20, "GFP_ATOMIC", "2.4 to before 4.4"),
        (0x4020, "GFP_ATOMIC|__GFP_COMP", "2.6 to before 4.4"),
        (0x2280020, "GFP_ATOMIC|__GFP_NOTRACK", "4.4 to before 4.10"),
        (0x480020, "GFP_ATOMIC", "4.18 to before 5.1"),
        (0xA20, "GFP_ATOMIC", "5.1 to before 6.3"),
    ],
)
def test_without_a_version_the_likeliest_kernel_comes_first(mask: int, names: str, kernels: str) -> None:
    first = candidates(mask)[0]
    assert (first.names, first.kernels) == (names, kernels)
    assert "version is not known" in decode(mask).doubt


def test_printed_names_choose_the_table_and_a_disagreement_is_said() -> None:
    # 0x6000c0 is GFP_KERNEL from 4.18 to 5.0; the release says 4.14, as a vendor's backport may.
    vendor = decode(0x6000C0, names="GFP_KERNEL", release="4.14.0-vendor")
    assert vendor.may_sleep and vendor.may_call_fs
    assert "vendor" in vendor.doubt
    assert decode(0x6000C0, names="GFP_KERNEL", release="4.19.0").doubt == ""
    assert decode(0x6000C0, names="GFP_KERNEL").doubt == ""


def test_names_that_no_kernel_knows_for_a_mask_are_doubted() -> None:
    strange = decode(0xCC0, names="GFP_ATOMIC", release="6.1.0")
    assert strange.names == "GFP_KERNEL"
    assert "no known kernel" in strange.doubt


@pytest.mark.parametrize(
    ("mask", "release", "zone"),
    [
        (0xCC1, "6.1", "DMA"),
        (0xCC4, "6.1", "DMA32"),
        (0xCC0, "6.1", "Normal"),
        (0x100CC2, "6.1", "HighMem"),
        (0x100CCA, "6.1", "Movable"),
        # __GFP_MOVABLE alone does not reach the Movable zone.
        (0xCC8, "6.1", "Normal"),
    ],
)
def test_the_zones_a_request_reaches(mask: int, release: str, zone: str) -> None:
    assert decode(mask, release=release).highest_zone == zone


def test_who_may_sleep() -> None:
    assert decode(0xD0, release="2.6.32").may_sleep
    assert not decode(0x20, release="2.6.32").may_sleep
    assert not decode(0x0, release="3.10").may_sleep
    assert decode(0x400, release="6.1").may_sleep
    # Bit 0x10 has been __GFP_RECLAIMABLE since 4.4, no permission to wait.
    assert not decode(0x10, release="6.1").may_sleep


def test_bits_that_the_configuration_decides_are_called_so() -> None:
    gfp = decode(0x1000CC0, release="6.12.9")
    assert gfp.rest == 0x1000000
    assert "configuration" in gfp.doubt


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(range(len(tables()))))
def test_the_names_of_a_mask_spell_the_mask(mask: int, index: int) -> None:
    table = tables()[index]
    names, rest = names_of(table, mask)
    assert mask_of(table, names) == mask
    assert rest & ~mask == 0


@given(st.integers(0, 0xFFFFFFFF), st.text(max_size=30), st.text(max_size=30))
def test_no_text_beside_a_mask_is_an_error(mask: int, names: str, release: str) -> None:
    assert decode(mask, names=names, release=release).mask == mask

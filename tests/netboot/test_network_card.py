# SPDX-License-Identifier: GPL-2.0-or-later
"""Drivers of network cards: by lspci's own words, by modalias, and by this machine where it has a card."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.machine.machine import Machine
from keepsane.netboot.check import Check
from keepsane.netboot.network_card import Card, cards_in, check_cards

LSPCI = """\
00:00.0 Host bridge [0600]: Intel Corporation Device [8086:9b61] (rev 0c)
\tSubsystem: Lenovo Device [17aa:2292]
00:1f.6 Ethernet controller [0200]: Intel Corporation Ethernet Connection (10) I219-V [8086:0d4f]
\tSubsystem: Lenovo Device [17aa:2292]
\tKernel driver in use: e1000e
\tKernel modules: e1000e
0000:03:00.0 Ethernet controller [0200]: Realtek Semiconductor Co., Ltd. RTL8111 [10ec:8168] (rev 15)
\tKernel modules: r8169
04:00.0 Network controller [0280]: Intel Corporation Wi-Fi 6 AX201 [8086:02f0]
\tKernel modules: iwlwifi
05:00.0 Ethernet controller [0200]: Red Hat, Inc. Virtio network device [1af4:1000]
\tKernel driver in use: virtio-pci
"""
ALIASES = (
    "alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169\nalias pci:v00008086d00000D4Fsv*sd*bc*sc*i* e1000e\n"
)
MODALIAS = "pci:v00008086d00000D4Fsv000017AAsd00002292bc02sc00i00\n"


def test_lspci_names_the_cards_and_their_modules() -> None:
    assert [card.module for card in cards_in(LSPCI)] == ["e1000e", "r8169", "virtio_net"]
    assert "I219-V" in cards_in(LSPCI)[0].name


def test_a_modalias_is_looked_up() -> None:
    assert [card.module for card in cards_in(MODALIAS, ALIASES)] == ["e1000e"]
    assert [card.module for card in cards_in(MODALIAS)] == [None]
    assert cards_in("pci:v00008086d000002F0sv00008086sd00000070bc02sc80i00\n", ALIASES) == [], "of a radio"
    virtio = "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00\n"
    assert [card.module for card in cards_in(virtio)] == ["virtio_net"]


def looked(config: str | None, cards: list[Card] | None, command_line: str = "ip=dhcp") -> list[Check]:
    return list(check_cards(Machine(name="box", command_line=command_line), config, cards))


E1000E = [Card("I219-V", "e1000e")]


@pytest.mark.parametrize(
    ("config", "command_line", "ok", "said"),
    [
        ("CONFIG_E1000E=y", "ip=dhcp", True, "CONFIG_E1000E=y"),
        ("CONFIG_E1000E=m", "ip=dhcp", None, "with the modules alone"),
        ("# CONFIG_E1000E is not set", "ip=dhcp", False, "no CONFIG_E1000E"),
        ("", "root=/dev/nfs", False, "no CONFIG_E1000E"),
        ("", "netconsole=@/,@10.0.0.1/", False, "no CONFIG_E1000E"),
        ("", "root=/dev/sda1", None, "no CONFIG_E1000E"),
        ("CONFIG_E1000E_HWTS=y", "ip=dhcp", False, "no CONFIG_E1000E"),
    ],
)
def test_a_card_without_driver_is_red_where_it_is_needed(
    config: str, command_line: str, ok: bool | None, said: str
) -> None:
    (check,) = looked(config, E1000E, command_line)
    assert check.ok is ok and said in check.what


def test_what_cannot_be_looked_at_is_said() -> None:
    (unknown,) = looked("", [Card("an odd one", "odd")])
    assert unknown.ok is None and "see odd" in unknown.what
    (nothing,) = looked("", [])
    assert nothing.ok is False and "no network card is in" in nothing.what
    (hint,) = looked("", None)
    assert hint.ok is None and "--devices FILE" in hint.what
    assert looked("", None, "quiet") == [] and looked(None, None) == [] and looked(None, E1000E) == []


def test_the_cards_of_this_machine_are_read() -> None:
    found = [path.read_text() for path in Path("/sys/class/net").glob("*/device/modalias")]
    wired = [text for text in found if text.startswith("pci:") and "bc02sc00" in text]
    assert len(cards_in("".join(found))) == len(wired)


@given(st.text(max_size=300), st.text(max_size=100))
def test_any_text_is_read(text: str, aliases: str) -> None:
    cards_in(text, aliases)

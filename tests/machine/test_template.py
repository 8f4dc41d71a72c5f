# SPDX-License-Identifier: GPL-2.0-or-later
import re
from pathlib import Path

from keepsane.machine.machine import DEFAULT_COMMAND_LINE, Machine
from keepsane.machine.template import TEMPLATE
from keepsane.machine.write import check

OFFER = re.compile(r"^# (?=\w+ = )", re.MULTILINE)


def test_the_template_is_a_machine_as_it_is() -> None:
    machine = check(Path("box.toml"), TEMPLATE.encode())
    assert machine == Machine(name="box") and machine.command_line == DEFAULT_COMMAND_LINE


def test_every_offer_of_it_can_be_taken() -> None:
    offers = OFFER.findall(TEMPLATE)
    own = "\n".join(line for line in TEMPLATE.splitlines() if not line.startswith("command_line"))
    machine = check(Path("box.toml"), OFFER.sub("", own).encode())
    assert len(offers) == 7 and machine.mark == "login:" and machine.tries == 20
    assert "ip=${net0/ip}::${net0/gateway}:${net0/netmask}" in machine.command_line
    assert DEFAULT_COMMAND_LINE in machine.command_line

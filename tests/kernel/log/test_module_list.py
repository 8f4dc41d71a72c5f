# SPDX-License-Identifier: GPL-2.0-or-later
"""Long module lists are read whole, whatever they hold; a line that is none ends them."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.kernel.log.module_list import continues_list, listed_modules

HEAD = "[  812.100001] BUG: kernel NULL pointer dereference, address: 0000000000000080\n"
LIST = "[  812.100002] Modules linked in: xt_conntrack nf_tables\n"
MORE = "intel_rapl_common x86_pkg_temp_thermal 8021q garp mrp stp llc bonding drm_shmem_helper"
IP = "[  812.100004] RIP: 0010:poke+0x12/0x40 [crashme]\n"


def modules(more: str) -> tuple[str, ...]:
    (event,) = explain(f"{HEAD}{LIST}[  812.100003] {more}\n{IP}").events
    return event.modules


@pytest.mark.parametrize("end", ["", " [last unloaded: ipmi_devintf]", " [last", " [last unloaded: a(OE)"])
def test_a_name_may_begin_with_a_digit(end: str) -> None:
    assert ("xt_conntrack", "nf_tables", *MORE.split()) == modules(f" {MORE}{end}") or end == " [last"


@pytest.mark.parametrize(
    "more",
    [
        f" {MORE} coretemp, kvm",
        " " + "x" * 52 + "!",
        "someverylongdriverprefix_with_many_characters_in: probe done",
        " ffff888003e0f0b8 0000000000000000",
    ],
)
def test_a_line_that_is_no_list_ends_it(more: str) -> None:
    assert modules(more) == ("xt_conntrack", "nf_tables")
    assert not continues_list(more)


def test_flags_stand_behind_a_name() -> None:
    assert listed_modules("Modules linked in: a(OE) 8021q b(E+) c() !")[:4] == [
        ("a", "OE"),
        ("8021q", ""),
        ("b", "E+"),
        ("c", ""),
    ]


def test_the_module_that_crashed_may_stand_on_a_later_line() -> None:
    log = f"{HEAD}{LIST}[  812.100003]  {MORE} crashme(OE)\n{IP}"

    assert "crashme" in " ".join(finding.title for finding in explain(log).findings)


def test_a_foreign_line_behind_the_list_is_told_from_it() -> None:
    foreign = "[  812.100003] someverylongdriverprefix_with_many_characters_in: probe done\n"

    assert explain(HEAD + LIST + foreign + IP).events[0].modules == ("xt_conntrack", "nf_tables")


LINES = {
    "a frame": " " * 65_000 + "+0x",
    "a release": "CPU: 0 PID: 1 Comm: x Not tainted 6.1.0 #1" + " " * 65_000 + "x",
    "the head of a task table": "[pid] uid" + " " * 65_000 + "x",
    "work in flight": "  in-flight: " + "1" * 65_000,
    "what lockdep said": "WARNING: possible circular locking dependency detected" + " !" * 32_000 + "x",
    "a module list": "Modules linked in: " + "x" * 65_000 + "!",
}
OPENINGS = (
    HEAD,
    "[  812.1] x invoked oom-killer: gfp_mask=0xcc0, order=0\n",
    "[  812.1] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 32s!\n",
)


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_long_line_costs_no_more_than_a_short_one(line: str) -> None:
    """Each took seconds to minutes; the patterns' bounds are held by checks/patterns.py."""
    for opening in OPENINGS:
        report = explain(f"{opening}[  812.100002] {line}\n" * 2)
        assert all(len(event.title) < 600 for event in report.events)

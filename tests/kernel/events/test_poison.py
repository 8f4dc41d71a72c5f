# SPDX-License-Identifier: GPL-2.0-or-later
"""Which poison a faulting address comes from: the register decides, and how wide it is."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.render.words import event_facts
from keepsane.report import Finding

NEXT = "LIST_POISON1, the next pointer"
PREV = "LIST_POISON2, the prev pointer"


def list_fault(address: str, rax: str, rbx: str = "ffff888012345000") -> tuple[str, Finding]:
    """Give the fact line of the address and the finding on the list entry."""
    report = explain(
        f"""\
[   12.000000] general protection fault, probably for non-canonical address 0x{address}: 0000 [#1] PREEMPT SMP
[   12.000100] CPU: 1 PID: 244 Comm: widgetd Not tainted 6.12.9-widget #1
[   12.000200] RIP: 0010:widget_walk+0x1e/0x60 [widget]
[   12.000400] RSP: 0018:ffffc90000c7bd68 EFLAGS: 00010202
[   12.000500] RAX: {rax} RBX: {rbx} RCX: 0000000000000000
[   12.000600] Call Trace:
[   12.000800]  widget_thread+0x2c/0xf0 [widget]
[   12.000900]  kthread+0xe9/0x110
""",
        cache=False,
    )
    (finding,) = (one for one in report.findings if one.rule == "list-entry-used-after-deletion")
    return dict(event_facts(report.events[0]))["address"], finding


@pytest.mark.parametrize(
    ("address", "rax", "name", "offset"),
    [
        ("dead000000000120", "dead000000000100", NEXT, "0x20"),
        ("dead000000000142", "dead000000000122", PREV, "0x20"),
        ("dead000000000108", "dead000000000100", NEXT, "0x8"),
    ],
)
def test_the_register_decides_which_list_poison_it_was(
    address: str, rax: str, name: str, offset: str
) -> None:
    fact, finding = list_fault(address, rax)
    other = {NEXT: PREV, PREV: NEXT}[name]
    assert name in fact
    assert f"holds {name}: the address that faulted is {offset} bytes further" in finding.explanation
    assert other not in fact + finding.explanation
    assert finding.confidence == "high"


@pytest.mark.parametrize(
    ("rax", "rbx"),
    [
        ("0000000000000100", "ffff888012345000"),  # no register holds one
        ("dead000000000100", "dead000000000122"),  # both reach it, neither as a list's own pointer
    ],
)
def test_a_member_near_both_list_poisons_names_neither_for_sure(rax: str, rbx: str) -> None:
    fact, finding = list_fault("dead000000000142", rax, rbx)
    assert "LIST_POISON" not in fact
    assert finding.confidence == "medium"


I386 = """\
[   12.000000] BUG: unable to handle page fault for address: {address}
[   12.000060] #PF: error_code(0x0000) - not-present page
[   12.000080] Oops: 0000 [#1] PREEMPT SMP
[   12.000100] CPU: 1 PID: 244 Comm: widgetd Not tainted 6.12.9-widget #1
[   12.000200] EIP: widget_walk+0x1e/0x60 [widget]
[   12.000400] EAX: {register} EBX: f6a3c000 ECX: 00000000 EDX: 00000000
[   12.000500] ESI: 00000000 EDI: 00000000 EBP: c1c0fe10 ESP: c1c0fe00
[   12.000600] Call Trace:
[   12.000800]  widget_thread+0x2c/0xf0 [widget]
"""
ARM = """\
[   12.000000] Unable to handle kernel paging request at virtual address {address}
[   12.000080] Internal error: Oops: 5 [#1] SMP ARM
[   12.000100] CPU: 1 PID: 244 Comm: widgetd Not tainted 6.1.9-widget #1
[   12.000200] PC is at widget_walk+0x1e/0x60 [widget]
[   12.000300] pc : [<bf000010>]    lr : [<bf000120>]    psr: 20000013
[   12.000400] sp : c7a3bd10  ip : 00000000  fp : c7a3bd24
[   12.000700] r3 : {register}  r2 : 00000000  r1 : 00000000  r0 : c7000000
[   12.000800] [<bf000010>] (widget_walk [widget]) from [<bf000120>] (widget_thread+0x2c/0xf0 [widget])
"""


@pytest.mark.parametrize("log", [I386, ARM])
@pytest.mark.parametrize(
    ("address", "register", "fires"),
    [
        ("6b6b6b7b", "6b6b6b6b", True),
        ("6b6b6c6f", "6b6b6b6b", True),  # a member at 0x104
        ("6b6b8b6b", "6b6b8b5b", False),  # two bytes alike are no pattern
        ("cccccc10", "cccccc00", False),  # an ordinary address of a kernel of 32 bits
    ],
)
def test_poison_of_freed_slab_memory_fills_the_four_bytes_of_narrow_machines(
    log: str, address: str, register: str, fires: bool
) -> None:
    report = explain(log.format(address=address, register=register), cache=False)
    found = [one for one in report.findings if one.rule == "use-after-free-by-poison"]
    assert bool(found) is fires
    assert ("POISON_FREE" in dict(event_facts(report.events[0]))["address"]) is fires
    assert all(one.confidence == "high" and "0x6b6b6" in one.explanation for one in found)


def test_four_equal_bytes_are_no_poison_of_a_wide_machine() -> None:
    log = I386.format(address="000000006b6b6b7b", register="6b6b6b6b").replace("EIP: ", "RIP: 0010:")
    log = log.replace("EAX: ", "RAX: 00000000").replace("EBX: ", "RBX: ffff8880").split("[   12.000500]")[0]
    assert not any(one.rule == "use-after-free-by-poison" for one in explain(log, cache=False).findings)

# SPDX-License-Identifier: GPL-2.0-or-later
"""
Facts in, findings out.

A rule is one function of one fact. It gives a Finding where it fires, and nothing where the fact is clear of
it, or Clear where the reader wants to know why. Where the fact lacks what the rule needs, it raises
CannotTell with the reason. Its docstring is its manual page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, NamedTuple, TypeVar

from keepsane.report import Failure, Finding, RuledOut, cannot_tell

ROOMS = ("keepsane.kernel.events", "keepsane.memory.rules")
"""Where rules stand: beside what they judge."""
FAMILIES = {
    "keepsane.kernel.events.history": "keepsane.model",
    "keepsane.kernel.events.pointers.null_pointer": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.pointers.error_pointer": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.pointers.poison": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.pointers.text_pointer": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.stack_overflow": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.refused_instruction": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.panic.cause": "keepsane.kernel.events.panic.panic",
    "keepsane.kernel.events.lockdep.uninitialised": "keepsane.kernel.events.lockdep.report",
    "keepsane.kernel.events.kasan.object": "keepsane.kernel.events.kasan.report",
    "keepsane.kernel.events.kasan.elsewhere": "keepsane.kernel.events.kasan.report",
    "keepsane.kernel.events.lockdep.order": "keepsane.kernel.events.lockdep.report",
    "keepsane.kernel.events.lockdep.interrupts": "keepsane.kernel.events.lockdep.report",
    "keepsane.kernel.events.lockdep.context": "keepsane.kernel.events.lockdep.report",
    "keepsane.kernel.events.lockdep.held": "keepsane.kernel.events.lockdep.report",
    "keepsane.kernel.events.watchdog.stuck": "keepsane.model",
    "keepsane.kernel.events.hung_task.waits": "keepsane.kernel.events.hung_task.report",
    "keepsane.kernel.events.hung_task.chain": "keepsane.kernel.events.hung_task.report",
    "keepsane.kernel.events.ubsan.values": "keepsane.kernel.events.ubsan.report",
    "keepsane.kernel.events.warning.families": "keepsane.kernel.events.warning.warning",
    "keepsane.kernel.events.still_in_use": "keepsane.kernel.events.other",
    "keepsane.kernel.events.panic.late_error": "keepsane.kernel.events.panic.panic",
    "keepsane.kernel.events.panic.settings": "keepsane.kernel.events.panic.panic",
    "keepsane.kernel.events.fault_region": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.asked_for": "keepsane.model",
    "keepsane.kernel.events.no_answer": "keepsane.kernel.events.trap",
    "keepsane.kernel.events.rcu_ticks": "keepsane.kernel.events.rcu",
    "keepsane.kernel.events.sleep_flags": "keepsane.kernel.events.atomic_sleep",
    "keepsane.kernel.events.divisor": "keepsane.kernel.events.oops",
    "keepsane.kernel.events.way_in": "keepsane.model",
    "keepsane.kernel.events.foreign_code": "keepsane.model",
    "keepsane.kernel.events.alloc_failure.verdicts": "keepsane.kernel.events.alloc_failure.failure",
    "keepsane.kernel.events.alloc_failure.harm": "keepsane.kernel.events.alloc_failure.failure",
    "keepsane.kernel.events.alloc_failure.cma_refused": "keepsane.kernel.events.alloc_failure.failure",
    "keepsane.kernel.events.oom_kill.whole_machine": "keepsane.kernel.events.oom_kill.kill",
    "keepsane.kernel.events.oom_kill.cgroup": "keepsane.kernel.events.oom_kill.kill",
    "keepsane.kernel.events.oom_kill.nodes": "keepsane.kernel.events.oom_kill.kill",
    "keepsane.kernel.events.oom_kill.wrong_kind": "keepsane.kernel.events.oom_kill.kill",
    "keepsane.kernel.events.oom_kill.usage": "keepsane.kernel.events.oom_kill.kill",
    "keepsane.kernel.events.oom_kill.choice": "keepsane.kernel.events.oom_kill.kill",
    "keepsane.memory.rules.zone_reclaim": "keepsane.memory.state",
    "keepsane.memory.rules.shortage": "keepsane.memory.state",
    "keepsane.memory.rules.direct_reclaim": "keepsane.memory.state",
    "keepsane.memory.rules.nodes": "keepsane.memory.state",
    "keepsane.memory.rules.cpuset": "keepsane.memory.state",
    "keepsane.memory.rules.thrashing": "keepsane.memory.state",
    "keepsane.memory.rules.cgroup_limit": "keepsane.memory.state",
    "keepsane.memory.rules.writeback": "keepsane.memory.state",
    "keepsane.memory.rules.numa_balancing": "keepsane.memory.state",
    "keepsane.memory.rules.pressure": "keepsane.memory.state",
    "keepsane.memory.rules.thp": "keepsane.memory.state",
    "keepsane.memory.rules.fragmentation": "keepsane.memory.state",
    "keepsane.memory.rules.watermark_boost": "keepsane.memory.state",
    "keepsane.memory.rules.low_zones": "keepsane.memory.state",
    "keepsane.memory.rules.reserved": "keepsane.memory.state",
    "keepsane.memory.rules.min_free": "keepsane.memory.state",
    "keepsane.memory.rules.kernel_memory": "keepsane.memory.state",
}
"""
Modules of rules in the order in which a reader meets them, each with the module that defines its facts:
while nobody has imported that one, there is no fact to judge. Rules in a fact's own module need no row.
"""

_ORDER = {module: place for place, module in enumerate(FAMILIES)}


class CannotTell(Exception):
    """A judgement that cannot be made; `why` says what was missing for it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Clear(NamedTuple):
    """What the rule looks for is not there, and the numbers that say so."""

    why: str


Answer = Finding | Clear
Judge = Callable[[Any], Iterator[Answer] | Answer | None]
F = TypeVar("F")
T = TypeVar("T")
A = TypeVar("A", bound=Iterator[Answer] | Answer | None)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's name, the type of fact it judges, and its function."""

    name: str
    on: type
    judge: Judge


RULES: dict[str, Rule] = {}


def rule(name: str, *, on: type[F]) -> Callable[[Callable[[F], A]], Callable[[F], A]]:
    """Register a function as the rule `name` for facts of type `on` and its subclasses."""

    def register(judge: Callable[[F], A]) -> Callable[[F], A]:
        RULES[name] = Rule(name, on, judge)
        return judge

    return register


def need(value: T | None, missing: str) -> T:
    """Give what a rule cannot do without; raise CannotTell, which says that it is `missing`, for None."""
    if value is None:
        raise CannotTell(missing)
    return value


def load(*, every: bool = True) -> dict[str, Rule]:
    """Import the families and give all rules by name; not `every`: only those that a fact can need by now."""
    for module in _every_module() if every else _families_met():
        # Asked for each report of a stream: import_module() takes its time even where nothing is left to do.
        if module not in sys.modules:
            import_module(module)
    # A family may be imported late in a process; the order of rules is the same in all.
    return _ordered(tuple(RULES.values()))


@lru_cache(maxsize=4)
def _ordered(rules: tuple[Rule, ...]) -> dict[str, Rule]:
    """Put rules in a fact's own module first, by the module's name, then those of the families."""
    return {known.name: known for known in sorted(rules, key=_place)}


def _place(known: Rule) -> tuple[int, str]:
    module = known.judge.__module__
    return _ORDER.get(module, -1), module


def _families_met() -> Iterator[str]:
    return (module for module, facts in FAMILIES.items() if facts in sys.modules)


def _every_module() -> Iterator[str]:
    for room in map(import_module, ROOMS):
        yield from (found.name for found in walk_packages(room.__path__, f"{room.__name__}."))


def run(facts: Iterable[object]) -> Iterator[Finding | Failure | RuledOut]:
    """Ask every rule about every fact of its type; a rule that raises is a Failure and stops nobody else."""
    facts = tuple(facts)
    rules = tuple(load(every=False).values())
    for fact in facts:
        for known in rules:
            if isinstance(fact, known.on):
                yield from _ask(known, fact)


def ask(name: str, fact: object) -> Iterator[Finding | Failure | RuledOut]:
    """Ask one rule about a fact."""
    return _ask(load(every=False)[name], fact)


def _ask(known: Rule, fact: object) -> Iterator[Finding | Failure | RuledOut]:
    try:
        for answer in _answers(known.judge(fact)):
            if isinstance(answer, Clear):
                yield RuledOut(known.name, answer.why)
            else:
                yield replace(answer, rule=known.name)
    except MemoryError:
        raise  # it is no rule's fault, and the next one would fail as well
    except CannotTell as missing:
        yield cannot_tell(f"rule {known.name}", missing.why, rule=known.name)
    except Exception as error:
        why = f"the rule itself failed: {error!r}; please report this with the log"
        yield Failure(f"rule {known.name}", why, "rule-failed", known.name)


def _answers(said: Iterator[Answer] | Answer | None) -> Iterable[Answer]:
    if isinstance(said, (Finding, Clear)):
        return (said,)
    return said or ()

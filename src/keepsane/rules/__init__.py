# SPDX-License-Identifier: GPL-2.0-or-later
"""
Facts in, findings out.

A rule is one function of one fact. It yields a Finding where it fires, nothing where the fact is clear of
it (or Clear, where the reader wants to know why), and a CannotTell with the reason where the fact lacks what
it needs. Its docstring is its manual page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from keepsane.model import Failure, Finding
from keepsane.model_memory import RuledOut

FAMILIES = {
    "history": "keepsane.model",
    "null_pointer": "keepsane.kernel.oops",
    "error_pointer": "keepsane.kernel.oops",
    "poison": "keepsane.kernel.oops",
    "refcount": "keepsane.kernel.refcount",
    "atomic_sleep": "keepsane.kernel.atomic_sleep",
    "hung_task": "keepsane.kernel.hung_task",
    "rcu": "keepsane.kernel.rcu",
    "stack_overflow": "keepsane.kernel.oops",
    "modules": "keepsane.model",
    "allocation": "keepsane.kernel.alloc_failure",
    "allocation_request": "keepsane.kernel.alloc_failure",
    "allocation_harm": "keepsane.kernel.alloc_failure",
    "allocation_cma": "keepsane.kernel.alloc_failure",
    "memory_report": "keepsane.kernel.mem_report",
    "supposed": "keepsane.kernel.supposed",
    "oom": "keepsane.kernel.oom",
    "oom_cgroup": "keepsane.kernel.oom",
    "oom_nodes": "keepsane.kernel.oom",
    "oom_kind": "keepsane.kernel.oom",
    "oom_usage": "keepsane.kernel.oom",
    "oom_victim": "keepsane.kernel.oom",
    "zone_reclaim": "keepsane.memory.state",
    "shortage": "keepsane.memory.state",
    "direct_reclaim": "keepsane.memory.state",
    "nodes": "keepsane.memory.state",
    "cpuset": "keepsane.memory.state",
    "thrashing": "keepsane.memory.state",
    "memory_limit": "keepsane.memory.state",
    "writeback": "keepsane.memory.state",
    "numa_balancing": "keepsane.memory.state",
    "pressure": "keepsane.memory.state",
    "thp": "keepsane.memory.state",
    "fragmentation": "keepsane.memory.state",
    "watermark_boost": "keepsane.memory.state",
    "low_zones": "keepsane.memory.state",
    "reserved": "keepsane.memory.state",
    "min_free": "keepsane.memory.state",
    "kernel_memory": "keepsane.memory.state",
}
"""
The modules of this room that hold rules, in the order in which a reader meets them, each with the module
that defines its facts: while nobody has imported that one, there is no fact to judge.
"""

_MODULES = {f"keepsane.rules.{family}": facts for family, facts in FAMILIES.items()}
_ORDER = {family: place for place, family in enumerate(_MODULES)}


class CannotTell(NamedTuple):
    """A judgement that could not be made, and what was missing for it."""

    why: str


class Clear(NamedTuple):
    """What the rule looks for is not there, and the numbers that say so."""

    why: str


Answer = Finding | CannotTell | Clear
Judge = Callable[[Any], Iterator[Any]]
F = TypeVar("F")
A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's name, the type of fact it judges, and its function."""

    name: str
    on: type
    judge: Judge


RULES: dict[str, Rule] = {}


def rule(name: str, *, on: type[F]) -> Callable[[Callable[[F], Iterator[A]]], Callable[[F], Iterator[A]]]:
    """Register a function as the rule `name` for facts of type `on` and its subclasses."""

    def register(judge: Callable[[F], Iterator[A]]) -> Callable[[F], Iterator[A]]:
        RULES[name] = Rule(name, on, judge)
        return judge

    return register


def load(*, every: bool = True) -> dict[str, Rule]:
    """Import the families and give all rules by name; not `every`: only those that a fact can need by now."""
    for family, facts in _MODULES.items():
        # Asked for each report of a stream: import_module() takes its time even where nothing is left to do.
        if (every or facts in sys.modules) and family not in sys.modules:
            import_module(family)
    # A family may be imported late in a process; the order of rules is the same in all.
    return _ordered(tuple(RULES.values()))


@lru_cache(maxsize=4)
def _ordered(rules: tuple[Rule, ...]) -> dict[str, Rule]:
    return {one.name: one for one in sorted(rules, key=lambda one: _ORDER[one.judge.__module__])}


def run(facts: Iterable[object]) -> Iterator[Finding | Failure | RuledOut]:
    """Ask every rule about every fact of its type; a rule that raises is a Failure and stops nobody else."""
    facts = tuple(facts)
    rules = tuple(load(every=False).values())
    for fact in facts:
        for known in rules:
            if isinstance(fact, known.on):
                yield from _ask(known, fact)


def _ask(known: Rule, fact: object) -> Iterator[Finding | Failure | RuledOut]:
    try:
        for answer in known.judge(fact):
            if isinstance(answer, CannotTell):
                yield Failure(f"rule {known.name}", f"cannot tell: {answer.why}")
            elif isinstance(answer, Clear):
                yield RuledOut(known.name, answer.why)
            else:
                yield replace(answer, rule=known.name)
    except MemoryError:
        raise  # it is no rule's fault, and the next one would fail as well
    except Exception as error:
        yield Failure(
            f"rule {known.name}", f"the rule itself failed: {error!r}; please report this with the log"
        )

# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a rule means, how we know, what to do, and when it is wrong.

    keepsane rules                  the names of all rules
    keepsane rules NAME             the page of one
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable

from keepsane.commands.output import open_output
from keepsane.errors import InputError
from keepsane.judge import Rule, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane rules` takes."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a rule's name, as a finding prints it")


def page(rule: Rule) -> str:
    """
    Give the manual page of a rule: its docstring.

    Raises InputError where Python was told to leave docstrings out.
    """
    return f"{rule.name}\n\n{_docstring(rule)}\n"


def run(arguments: argparse.Namespace) -> int:
    """List the rules, or show one."""
    rules = load()
    if arguments.name is not None and arguments.name not in rules:
        raise InputError(f"no rule is called {arguments.name!r}; `keepsane rules` lists them")
    with open_output(None) as out:
        out.write(_listed(rules.values()) if arguments.name is None else page(rules[arguments.name]))
    return 0


def _listed(rules: Iterable[Rule]) -> str:
    summaries = ((rule.name, _docstring(rule).partition("\n")[0]) for rule in rules)
    return "".join(f"{name:<36}{summary}\n" for name, summary in summaries)


def _docstring(rule: Rule) -> str:
    said = inspect.getdoc(rule.judge)
    if said is None:
        raise InputError("this Python leaves the rules' pages out: run it without -OO and PYTHONOPTIMIZE=2")
    return said

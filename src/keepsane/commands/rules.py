# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a rule means, how we know, what to do, and when it is wrong.

    keepsane rules                  the names of all rules
    keepsane rules NAME             the page of one
"""

from __future__ import annotations

import argparse
import inspect
import sys

from keepsane.errors import InputError
from keepsane.rules import Rule, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane rules` takes."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a rule's name, as a finding prints it")


def page(rule: Rule) -> str:
    """Give the manual page of a rule: its docstring."""
    return f"{rule.name}\n\n{inspect.getdoc(rule.judge) or ''}\n"


def run(arguments: argparse.Namespace) -> int:
    """List the rules, or show one."""
    rules = load()
    if arguments.name is None:
        for rule in rules.values():
            summary = (inspect.getdoc(rule.judge) or "").partition("\n")[0]
            sys.stdout.write(f"{rule.name:<36}{summary}\n")
        return 0
    if arguments.name not in rules:
        raise InputError(f"no rule is called {arguments.name!r}; `keepsane rules` lists them")
    sys.stdout.write(page(rules[arguments.name]))
    return 0

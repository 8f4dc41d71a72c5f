# SPDX-License-Identifier: GPL-2.0-or-later
"""The command table, the arguments, one lazy import, and the exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from keepsane import __version__
from keepsane.errors import KeepsaneError


class Command(NamedTuple):
    """A verb: the heading it stands under, one line of help, and the module that does it."""

    verb: str
    heading: str
    help: str
    module: str


COMMANDS = (
    Command(
        "explain",
        "A kernel log",
        "what a kernel log says, down to the source line",
        "keepsane.commands.explain",
    ),
    Command("gfp", "A kernel log", "what a gfp mask asks for", "keepsane.commands.gfp"),
    Command(
        "rules", "A kernel log", "what a finding means, how we know, what to do", "keepsane.commands.rules"
    ),
    Command(
        "memory",
        "A running machine",
        "which kind of memory is short, why, and what to change",
        "keepsane.commands.memory",
    ),
    Command("completion", "Around it", "a completion script for your shell", "keepsane.commands.completion"),
)

EXIT_FAILED = 2
"""It could not be done; the other exit codes are the verb's."""


def _overview() -> str:
    lines = []
    for heading in dict.fromkeys(command.heading for command in COMMANDS):
        lines.append(f"{heading}:")
        lines += [f"  {command.verb:<12}{command.help}" for command in COMMANDS if command.heading == heading]
    lines += ["", "exit codes: 0 nothing found, 1 something found, 2 it could not be done"]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Build the top-level parser; a verb's own arguments are added by its module, when it is used."""
    top = argparse.ArgumentParser(
        prog="keepsane",
        description="What happened, how we know, what to do, and what it is not.",
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"keepsane {__version__}")
    top.add_argument("verb", choices=[command.verb for command in COMMANDS], metavar="VERB", help="see below")
    top.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help="keepsane VERB --help shows them"
    )
    return top


def verb_parser(command: Command) -> argparse.ArgumentParser:
    """Build the parser of one verb."""
    module = import_module(command.module)
    verb: argparse.ArgumentParser = argparse.ArgumentParser(
        prog=f"keepsane {command.verb}",
        description=(module.__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(verb)
    verb.set_defaults(run=module.run, whole_parser=whole_parser)
    return verb


def whole_parser() -> argparse.ArgumentParser:
    """Build one parser with every verb in it: shell completion needs them all at once."""
    whole = argparse.ArgumentParser(prog="keepsane")
    verbs = whole.add_subparsers(metavar="VERB")
    for command in COMMANDS:
        verbs.add_parser(command.verb, help=command.help, parents=[verb_parser(command)], add_help=False)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit code; an expected error is one sentence on standard error."""
    chosen = parser().parse_args(argv)
    command = next(command for command in COMMANDS if command.verb == chosen.verb)
    arguments = verb_parser(command).parse_args(chosen.arguments)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeepsaneError as error:
        _complain(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _complain(f"cannot write: {error.strerror}")
    except KeyboardInterrupt:
        _complain("interrupted")
    return EXIT_FAILED


def _complain(sentence: str) -> None:
    """Write one line to standard error; a path in it may hold anything."""
    line = "".join(char if char.isprintable() else "?" for char in sentence)
    if sys.stderr is not None:
        sys.stderr.write(f"keepsane: {line}\n")


if __name__ == "__main__":
    sys.exit(main())

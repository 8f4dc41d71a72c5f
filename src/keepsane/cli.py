# SPDX-License-Identifier: GPL-2.0-or-later
"""The command table, the arguments, one lazy import, and the exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from keepsane import __version__
from keepsane.commands.output import Output
from keepsane.commands.streams import abandon_streams, prepare_streams
from keepsane.errors import KeepsaneError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


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
    Command(
        "netboot",
        "A test machine",
        "it waits at iPXE for the kernel that still compiles",
        "keepsane.commands.netboot.words",
    ),
    Command("completion", "Around it", "a completion script for your shell", "keepsane.commands.completion"),
)

EXIT_FAILED, EXIT_DEFECT = 2, 3
"""It could not be done; keepsane has a defect; the other exit codes are the verb's."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line that drives no terminal, and whether its help could be written."""

    def error(self, message: str) -> NoReturn:
        from keepsane.render.visible import escaped

        super().error(escaped(message))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # argparse's own is silent where nothing can be written: a full disk would look like success.
        is_answer = file is sys.stdout  # help and version
        if is_answer:
            Output(sys.stdout).write(message)
        else:
            super()._print_message(message, file)


def _overview() -> str:
    lines = []
    for heading in dict.fromkeys(command.heading for command in COMMANDS):
        lines.append(f"{heading}:")
        lines += [f"  {command.verb:<12}{command.help}" for command in COMMANDS if command.heading == heading]
    lines += [
        "",
        "exit codes: 0 nothing found, 1 something found, 2 it could not be done, 3 a defect of keepsane",
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Build the top-level parser; a verb's own arguments are added by its module, when it is used."""
    top = _Parser(
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


def verb_parser(command: Command) -> _Parser:
    """Build the parser of one verb."""
    module = import_module(command.module)
    verb = _Parser(
        prog=f"keepsane {command.verb}",
        description=(module.__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(verb)
    verb.add_argument("--debug", action="store_true", help="show where, should keepsane itself have a defect")
    verb.set_defaults(run=module.run, whole_parser=whole_parser)
    return verb


def whole_parser() -> argparse.ArgumentParser:
    """Build one parser with every verb in it: shell completion needs them all at once."""
    whole = _Parser(prog="keepsane")
    verbs = whole.add_subparsers(metavar="VERB")
    for command in COMMANDS:
        verbs.add_parser(command.verb, help=command.help, parents=[verb_parser(command)], add_help=False)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit code; whatever goes wrong is one sentence on standard error."""
    words = sys.argv[1:] if argv is None else argv
    prepare_streams()
    try:
        code = _run(words)
        Output(sys.stdout).flush()
        return code
    except KeepsaneError as error:
        _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
    except (MemoryError, RecursionError, OSError) as error:
        _complain_of_system(error)
    except Exception as error:
        _complain_of_defect(error, whole="--debug" in words)
        return EXIT_DEFECT
    finally:
        abandon_streams()
    return EXIT_FAILED


def install() -> int:
    """Be `keepsane-install`, the name under which Kbuild starts `keepsane netboot install`."""
    return main(["netboot", "install", *sys.argv[1:]])


def _run(words: Sequence[str]) -> int:
    try:
        chosen = parser().parse_args(words)
        command = next(command for command in COMMANDS if command.verb == chosen.verb)
        arguments = verb_parser(command).parse_args(chosen.arguments)
    except SystemExit as ended:  # argparse gave the help that was asked for, or said what is wrong
        return ended.code if isinstance(ended.code, int) else EXIT_FAILED
    code: int = arguments.run(arguments)
    return code


def _complain(sentence: str, more: str = "") -> None:
    """Write one line to standard error, and `more` below it; a path in them may hold anything."""
    # Imported here: most runs have nothing to complain of.
    from keepsane.render.visible import escaped

    try:
        sys.stderr.write(f"keepsane: {escaped(sentence)}\n")
        sys.stderr.writelines(f"{escaped(line)}\n" for line in more.splitlines())
    except OSError:
        pass  # nobody can be told; the exit code says it


def _complain_of_system(error: MemoryError | RecursionError | OSError) -> None:
    if isinstance(error, BrokenPipeError):
        return  # who reads has seen enough
    if isinstance(error, OSError):
        name = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        _complain(f"cannot go on: {name}{error.strerror or error}")
    elif isinstance(error, MemoryError):
        _complain("there is not enough memory for this input; give a smaller part of it")
    else:
        _complain("the input is nested too deeply; give a smaller part of it")


def _complain_of_defect(error: Exception, *, whole: bool) -> None:
    where = ""
    if whole:
        import traceback

        where = "".join(traceback.format_exception(error))
    name = type(error).__name__
    _complain(
        f"a defect of keepsane {__version__} ({name}); please report it, with what --debug prints", where
    )


if __name__ == "__main__":
    sys.exit(main())

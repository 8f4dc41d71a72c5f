# SPDX-License-Identifier: GPL-2.0-or-later
"""
Print a completion script for a shell.

    keepsane completion bash > /etc/bash_completion.d/keepsane
"""

from __future__ import annotations

import argparse

from keepsane.commands.output import open_output
from keepsane.errors import MissingExtraError

SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane completion` takes."""
    parser.add_argument("shell", choices=SHELLS, help="the shell to complete in")


def run(arguments: argparse.Namespace) -> int:
    """Write the script to standard output."""
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError("shell completion needs shtab: pip install 'keepsane[completion]'") from error
    # cli builds the parser of all verbs: commands must not know cli.
    with open_output(None) as out:
        out.write(shtab.complete(arguments.whole_parser(), arguments.shell))
    return 0

# SPDX-License-Identifier: GPL-2.0-or-later
"""
A test machine waits at iPXE for the kernel that still compiles.

    keepsane netboot setup ADDRESS FOLDER       what brings a machine here: by GRUB, a stick, the network
    keepsane netboot serve                      answer machines that ask
    keepsane netboot build -- make -j8          build, and let the machine that waits boot it
    keepsane netboot again MACHINE [BUILD]      let it boot a build once more
    keepsane netboot good MACHINE [BUILD]       remember a build as the one that works
    keepsane netboot edit MACHINE               edit its file, or begin one
    keepsane netboot cmdline MACHINE +debug     show or change its kernel command line
    keepsane netboot history [MACHINE]          what was booted, and what became of it
    keepsane netboot show N|BUILD               all that is known of one boot, or of one build
    keepsane netboot pin N|BUILD                keep a build for good
    keepsane netboot prune                      remove old builds
    keepsane netboot export FOLDER MACHINE      a build for a web server that is there
    keepsane netboot service                    a unit of systemd that keeps it running
    keepsane netboot doctor                     what would go wrong, before it does
"""

from __future__ import annotations

import argparse
from importlib import import_module

WORDS = {
    "setup": "write what brings a machine to this server",
    "serve": "answer machines that ask",
    "build": "run make, and let the machine that waits boot what it builds",
    "install": "publish a kernel: what keepsane-install does for make",
    "again": "let a machine boot its last build once more",
    "good": "remember a build as a machine's good one",
    "edit": "edit a machine's file, or begin one",
    "cmdline": "show or change a machine's kernel command line",
    "history": "what machines booted",
    "show": "all that is known of a boot or a build",
    "pin": "keep a build for good",
    "agent": "what a machine's own root needs",
    "prune": "remove old builds",
    "export": "write a build for a web server that is there",
    "service": "keep it running by systemd, as you",
    "doctor": "what would go wrong, before it does",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot` takes."""
    words = parser.add_subparsers(metavar="WORD", required=True)
    for word, said in WORDS.items():
        module = import_module(f"keepsane.commands.netboot.{word}")
        sub = words.add_parser(
            word,
            help=said,
            description=(module.__doc__ or "").strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.set_defaults(do=module.run)


def run(arguments: argparse.Namespace) -> int:
    """Do what the word says."""
    code: int = arguments.do(arguments)
    return code

# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a printed name is, where it is not simply a function of a file.

    bpf_prog_6deef7357e7b4530_sched_switch+0x1b/0x4c      kernel/bpf/core.c, bpf_get_prog_name()
    bpf_trampoline_6442536467+0x42/0x1000                 kernel/bpf/trampoline.c
    ftrace_trampoline+0x34/0x1000 [__builtin__ftrace]     kernel/trace/ftrace.c
    kprobe_optinsn_page+0x13/0x40 [__builtin__kprobes]    kernel/kprobes.c
    __pfx_vfs_read+0x10/0x10                              padding before a function, since 6.2
    __cfi_vfs_read+0x10/0x10                              the same with kernel control flow integrity
"""

from __future__ import annotations

import re

_RUN_TIME = (
    (re.compile(r"bpf_prog_[0-9a-f]{16}"), "a BPF program, compiled when it was loaded: it has no file"),
    (
        re.compile(r"bpf_(trampoline|dispatcher|struct_ops)_\d"),
        "a BPF trampoline, made at run time: it has no file",
    ),
    (re.compile(r"ftrace_(graph_)?trampoline\b"), "an ftrace trampoline, made at run time: it has no file"),
    (
        re.compile(r"kprobe_(opt)?insn_page\b"),
        "a kprobe's copied instructions, made at run time: it has no file",
    ),
)
_RUN_TIME_MODULES = {
    "bpf": "a BPF program, compiled when it was loaded: it has no file",
    "__builtin__ftrace": "an ftrace trampoline, made at run time: it has no file",
    "__builtin__kprobes": "a kprobe's copied instructions, made at run time: it has no file",
}
_RETURN_PROBES = (
    "kretprobe_trampoline",
    "__kretprobe_trampoline",
    "arch_rethook_trampoline",
    "return_to_handler",
)
_LIVEPATCH = re.compile(r"(livepatch|klp|kpatch|kgraft)[_-]")
_LTO = re.compile(r"\.llvm\.\d{1,20}+\Z")
_PADDING = ("__pfx_", "__cfi_")


def made_at_run_time(function: str | None, module: str | None) -> str | None:
    """Say what a name is that no file on disk has, None for an ordinary function."""
    if module in _RUN_TIME_MODULES:
        return _RUN_TIME_MODULES[module]
    return next((said for pattern, said in _RUN_TIME if pattern.match(function or "")), None)


def is_livepatch(module: str | None) -> bool:
    """Recognise a module that carries live patches by the names the tools give: livepatch_x, kpatch-x."""
    return module is not None and _LIVEPATCH.match(module) is not None


def remark(function: str) -> str:
    """Say what a reader must know about an ordinary function of this name, "" for nothing."""
    if function in _RETURN_PROBES:
        return "a return probe or the graph tracer replaced the real return address"
    return ""


def without_lto_suffix(function: str) -> str:
    """Take the suffix away that thin LTO adds to a static function: `do_one.llvm.123` is `do_one`."""
    return _LTO.sub("", function)


def padding_words(function: str) -> str:
    """Say what an address in front of a function is."""
    return f"padding before {function}: a pointer to {function}, not a call"


def padded_function(function: str) -> str | None:
    """Name the function that padding belongs to: `__pfx_f` and `__cfi_f` stand before `f`."""
    return next((function[len(start) :] for start in _PADDING if function.startswith(start)), None)

# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from keepsane.symbols.lines.names import (
    is_livepatch,
    made_at_run_time,
    padded_function,
    remark,
    without_lto_suffix,
)


@pytest.mark.parametrize(
    ("function", "module", "word"),
    [
        ("bpf_prog_6deef7357e7b4530_sched_switch", None, "BPF program"),
        ("bpf_prog_6deef7357e7b4530", "bpf", "BPF program"),
        ("bpf_trampoline_6442536467", None, "BPF trampoline"),
        ("ftrace_trampoline", "__builtin__ftrace", "ftrace trampoline"),
        ("kprobe_optinsn_page", "__builtin__kprobes", "kprobe"),
    ],
)
def test_what_no_file_has_is_said_to_be_what_it_is(function: str, module: str | None, word: str) -> None:
    said = made_at_run_time(function, module)
    assert said is not None
    assert word in said


@pytest.mark.parametrize(
    "function", ["bpf_prog_run", "bpf_prog_array_free", "ftrace_regs_caller", "kprobe_ftrace_handler"]
)
def test_functions_with_such_names_are_ordinary(function: str) -> None:
    assert made_at_run_time(function, None) is None


def test_prefixes_and_suffixes_of_the_compiler() -> None:
    assert padded_function("__pfx_vfs_read") == padded_function("__cfi_vfs_read") == "vfs_read"
    assert padded_function("vfs_read") is None
    assert without_lto_suffix("do_one.llvm.1234567890") == "do_one"
    assert without_lto_suffix("do_one.constprop.0") == "do_one.constprop.0"


def test_return_probes_and_livepatches() -> None:
    assert "return" in remark("arch_rethook_trampoline")
    assert remark("vfs_read") == ""
    assert is_livepatch("livepatch_sample")
    assert is_livepatch("kpatch_cve_1")
    assert not is_livepatch("ext4")
    assert not is_livepatch(None)

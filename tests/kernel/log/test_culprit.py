# SPDX-License-Identifier: GPL-2.0-or-later
"""Which function a title names."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.culprit import is_machinery, plain_name, runs_in, stalled, waits_in
from keepsane.model import Frame


def frames(*functions: str) -> tuple[Frame, ...]:
    return tuple(Frame(line=1, function=name, offset_bytes=16, size_bytes=32) for name in functions)


@pytest.mark.parametrize(
    ("printed", "plain"),
    [
        ("do_null.constprop.0", "do_null"),
        ("f.isra.0.cold", "f"),
        ("f.part.0.isra.2", "f"),
        ("f.llvm.123456", "f"),
        ("poke_null", "poke_null"),
    ],
)
def test_clones_have_their_functions_name(printed: str, plain: str) -> None:
    assert plain_name(printed) == plain


@pytest.mark.parametrize("name", ["dump_stack", "__warn", "kmem_cache_alloc_node", "_raw_spin_lock_bh"])
def test_machinery_names_nothing(name: str) -> None:
    assert is_machinery(name)


@pytest.mark.parametrize(
    "name",
    [
        "complete", "__wake_up_common", "add_wait_queue", "filemap_alloc_folio_noprof", "__set_page_owner",
        "__phys_addr", "hex_string", "handle_overflow", "init_timer_key", "hlock_class", "__seqprop_assert",
        "rcu_preempt_sleep_check", "rt_read_lock", "panic_bad_stack", "crc16", "aes_encrypt",
        "crc32_le_base", "crc_itu_t", "release_sock", "usb_start_wait_urb", "dpm_sysfs_remove",
        "sk_stop_timer_sync", ".memcpy", "owner_on_cpu", "rb_first", "hrtimer_cancel", "ioread32",
        "srcu_read_lock", "lockref_get", "kstrtoint",
    ],
)  # fmt: skip
def test_wake_ups_checks_and_leaves_name_their_caller(name: str) -> None:
    assert is_machinery(name)


@pytest.mark.parametrize(
    "name",
    [
        "kmalloc_widget",
        "memcpy_widget",
        "kfree_widget",
        "mutex_lock_widget",
        "copy_from_user_widget",
        "list_add_widget",
    ],
)
def test_a_function_of_a_module_is_no_helper_of_the_kernel(name: str) -> None:
    assert not is_machinery(name, "widget")


@pytest.mark.parametrize(
    "name",
    ["wake_up_new_task", "completer", "crc_widget", "aes_widget", "ep_poll_callback", "kernfs_fop_open"],
)
def test_neighbours_of_those_helpers_count(name: str) -> None:
    assert not is_machinery(name)


def test_a_request_to_the_network_is_named_after_its_own_handler() -> None:
    stack = frames("find_widget", "rtnl_newlink", "rtnetlink_rcv_msg", "netlink_rcv_skb", "netlink_sendmsg")

    assert runs_in(stack) == "rtnl_newlink"


@pytest.mark.parametrize("name", ["update_widget", "free_widget", "find_widget", "strange_widget"])
def test_a_name_that_only_begins_alike_counts(name: str) -> None:
    assert not is_machinery(name)


def test_the_interrupt_that_took_the_sample_is_passed_over() -> None:
    stack = frames(
        "dump_stack", "rcu_dump_cpu_stacks", "update_process_times", "hrtimer_interrupt",
        "smp_apic_timer_interrupt", "apic_timer_interrupt", "spin_widget", "widget_ioctl", "do_vfs_ioctl",
    )  # fmt: skip

    assert runs_in(stack) == "widget_ioctl"


def test_waiting_for_other_cpus_is_named_itself() -> None:
    assert (
        runs_in(frames("smp_call_function_single", "widget_load", "do_syscall_64"))
        == "smp_call_function_single"
    )


def test_a_wait_everybody_knows_is_named_itself() -> None:
    assert (
        waits_in(frames("__schedule", "schedule", "__mutex_lock", "rtnl_lock", "widget_gone")) == "rtnl_lock"
    )
    assert waits_in(frames("__schedule", "schedule", "__mutex_lock", "take_widget")) == "take_widget"
    assert waits_in(frames("__schedule", "schedule", "worker_thread", "ret_from_fork")) is None


@pytest.mark.parametrize(
    "entry",
    [
        ("local_apic_timer_interrupt", "smp_trace_apic_timer_interrupt", "smp_trace_apic_timer_interrupt_x"),
        ("__sysvec_apic_timer_interrupt", "asm_call_irq_on_stack", "sysvec_apic_timer_interrupt"),
        ("asm_call_irq_on_stack", "sysvec_apic_timer_interrupt", "asm_sysvec_apic_timer_interrupt"),
    ],
)
def test_a_stall_is_not_named_after_the_tick_that_found_it(entry: tuple[str, ...]) -> None:
    tick = ("dump_stack", "rcu_dump_cpu_stacks", "tick_sched_handle", "tick_sched_timer", "hrtimer_interrupt")
    stack = frames(*tick, *entry, "spin_widget", "widget_ioctl", "do_vfs_ioctl")

    assert stalled(stack) == " at spin_widget in widget_ioctl"


@pytest.mark.parametrize("entry", ["irqentry_exit", "retint_kernel"])
def test_a_task_is_not_named_after_the_interrupt_that_preempted_it(entry: str) -> None:
    stack = frames("__schedule", "preempt_schedule_irq", entry, "walk_widget", "widget_read", "vfs_read")

    assert stalled(stack) == " at walk_widget in widget_read"


def test_warning_helpers_are_machinery_and_drivers_functions_are_not() -> None:
    assert all(map(is_machinery, ("warn_slowpath_fmt", "__warn_printk", "warn_alloc", "__warn")))
    assert not any(map(is_machinery, ("warn_end", "warn_widget")))

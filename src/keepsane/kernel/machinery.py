# SPDX-License-Identifier: GPL-2.0-or-later
"""
Functions that a title passes over, by the reason why; the lists are data.

A pattern stands for a whole function name without its clone suffix; underscores in front are optional
everywhere, `*` is any run of letters, digits and underscores, `(a|b)` one of several. A new name goes into
the group whose comment it fits.
"""

from __future__ import annotations

import re


def _any(*groups: str) -> re.Pattern[str]:
    """Compile groups of blank-separated patterns into one that matches a whole function name."""
    patterns = "|".join(" ".join(groups).split()).replace("*", r"\w*").replace("(", "(?:")
    return re.compile(rf"_{{0,4}}(?:{patterns})$")


# They print the report.
_PRINT = """
    dump_(stack|backtrace|header|page|task|cpu_task|mapping|reg|regs)*
    show_(stack|regs|trace|opcodes|fault_oops)* print_* v?printk* v?panic nmi_panic *_panic
    panic_saved_regs warn warn_(slowpath|printk|alloc|on)* report_* end_report die die_* oops_* kmsg_dump*
    dev_v?printk* stack_trace_(save|consume)* save_stack* arch_stack_walk walk_stackframe stack_depot_*
    set_track* object_err slab_(err|bug|pad_check) spin_(dump|bug) schedule_bug nmi_*backtrace* nmi_handle
    default_do_nmi do_nmi end_repeat_nmi nmi first_nmi repeat_nmi ubsan_* val_to_string vprintk_*
    dynamic_*_dbg *assertfail assfail sched_show_task dump_cpu_task show_state_filter
    (netdev|dev)_(printk|err|warn|info|notice|dbg)
"""

# They take the trap.
_TRAPS = """
    do_(trap|error_trap|invalid_op|general_protection|page_fault|kern_addr_fault|user_addr_fault|bad_area|sea|int3)
    do_(translation_fault|mem_abort|alignment_fault|tag_check_fault|tag_recovery|undefinstr|kernel_fault|debug)
    do_(debug_exception|PrefetchAbort|DataAbort|divide_error|double_fault|stack_segment|el1_*)
    (asm_)?exc_* error_entry error_exit page_fault async_page_fault general_protection invalid_op
    divide_error double_fault int3 handle_bug fixup_* no_context bad_area* mm_fault_error page_fault_oops
    kernelmode_fixup* is_prefetch* el1[ht]?_* bug_handler call_break_hook brk_handler notify_die
    atomic_notifier* kgdb_* und_svc* dabt_svc* pabt_svc* early_*_handler ret_from_exception restore_all_*
    handle_exception stack_segment arm64_(notify_die|force)* x86_indirect_thunk_* x86_return_thunk*
"""

# They checked what turned out wrong: sanitizers, lock and object debugging, hardened copies.
_CHECKS = """
    k?[amct]?san_* hw?asan_* kmsan* kasan* kcsan* kfence_* sanitizer_* memory_is_* (read|write)_once_*
    instrument_*
    check_(memory_region|heap_object|object|region_inline|access|stack_object|copy_size|bytes_and_report|poison_obj)*
    check_(prev|prevs|noncircular|deadlock|usage|irq|path|unlock|flags|chain_key|wait_context|slab|preemption_disabled)*
    debug_(print_object|check_no_*|object_*|assert*|locks*|spin*|mutex*|rwlock*|work*|timer*|rt_mutex*|list*|smp_*)
    might_(sleep|fault|resched)* lockdep_* lock_(acquire|release|downgrade|is_held|set)*
    validate_(chain|slab)* mark_(lock|held_locks|usage|irqflags)* valid_state register_lock_class
    look_up_lock_class static_obj bad_chain* assign_lock_key trace_(hardirqs|softirqs|graph|irq)_*
    irq_usage* perf_trace_* unlock_bug print_unlock_imbalance* fortify_panic skb_(over|under)?_?panic
    usercopy_* stack_chk_fail preempt_count_(add|sub) this_cpu_preempt_check
    rcu_(lock|lockdep|read_lock|read_unlock|preempt_deferred|note_context|dynticks|irq|eqs|is_watching)*
    timer_is_static_object work_is_static_object free_obj_work fill_pool lookup_object*
    read_word_at_a_time bad_page* get_(freepointer|map_page)* on_freelist (free|alloc)_debug_processing
    free_consistency_checks ref_tracker_* refcount_* kref_* kobject_* add_uevent_var program_check_*
    reacquire_held_locks lock_class*
"""

REPORTING = _any(_PRINT, _TRAPS, _CHECKS)
"""Frames that only report, trap or check."""

_MEMORY = """
    (devm_|sock_)?k?v?[mzc]alloc* k?v?realloc* kv?free* kmem_cache_* cache_(alloc|free|grow)* k?strn?dup*
    k?v?memdup* kv?asprintf v[mzf](alloc|free|ree)* alloc_(pages?|slab_page|percpu)* (get_)?free_pages?*
    get_page_from_freelist allocate_slab new_slab* free_unref* free_the_page free_large_kmalloc
    put_cpu_partial slab_* pcpu_* do_kmalloc* do_slab_free vfree* folio_alloc* mempool_alloc* vunmap_*
    should_fail* fail_* ioremap* free_percpu rmqueue* prep_*page* post_alloc_hook discard_slab
    find_(get|lock)_entries truncate_inode_pages*
"""
_STRINGS = """
    mem(cpy|set|move|cmp|chr|scan|copy|dup)* v?sc?n?printf number string string_nocheck format_decode
    pointer va_format
    str(n?len|[nls]?cpy|lcpy|scpy|n?cmp|n?casecmp|n?str|nr?chr|r?chr|chrnul|n?cat|lcat|sep|im)
    strn?cpy_from_user strnlen_user (raw_|arch_)?copy_(to|from|in)_(user|iter)* copy_user_* copyin copyout
    (get|put)_user* hex_dump* rep_(movs|stos)* copy_page_(to|from)_iter* logic_(in|out)* read[bwlq]
    write[bwlq]
"""
_LOCKS = """
    (ww_|rt_)?mutex_* rwsem_* down down_(read|write|interruptible|killable|timeout|trylock)* up
    up_(read|write)* downgrade_write raw_(spin|read|write)* do_raw_*
    (native_)?(queued_)?spin_(lock|unlock|trylock)* rt_spin_* rtlock*
    (native_)?(queued_)?(read|write)_(lock|unlock|trylock)* pv_queued_* osq_* lock_sock* bit_spin*
    arch_spin* arch_local* *_rq_lock reiserfs_write_lock* lock_timer_base
"""
_STRUCTURES = """
    (raw_|arch_)?atomic(64|_long)?_* (arch_)?(test|set|clear|change)_(and_\\w+_)?bit
    (variable|constant)_test_bit list_(add|del|move|replace|splice|empty)* hlist_(add|del)* klist_* rht_*
    rhashtable_* xas_* mas_* get_current current_thread_info rb_(insert|erase|link)* skb_(put|push) dput
    fast_dput
"""
# Registering and releasing things in general: who did it with what is the caller.
_REGISTRIES = """
    device_(add|del|unregister|create|destroy|release)* (get|put)_device* hwrng_unregister i2c_del_adapter
    device_(for_each_child|remove_file)* proc_(register|create|mkdir)* sysfs_remove* unregister_netdev*
    rollback_registered* tty_unregister_device
    usb_(submit_urb|kill_urb|kill_anchored_urbs|control_msg|bulk_msg|interrupt_msg|start_wait_urb)
    usb_hcd_submit_urb
"""
_SCHEDULE = """
    schedule schedule_(timeout|preempt|hrtimeout|idle|debug)* io_schedule* preempt_schedule* cond_resched*
    wait_for_* wait_on_* do_wait_for* prepare_to_wait* finish_wait bit_wait* out_of_line_wait* msleep*
    usleep* fsleep context_switch switch_to flush_(work|workqueue|delayed_work)* drain_workqueue*
    destroy_workqueue start_flush_work cancel_(delayed_)?work* try_to_grab_pending (del|mod)_timer*
    try_to_del* timer_(delete|shutdown)* call_rcu* smp_call_function* on_each_cpu* kthread_stop
"""
HELPERS = _any(_MEMORY, _STRINGS, _LOCKS, _STRUCTURES, _REGISTRIES, _SCHEDULE)
"""General helpers: what matters is who called them."""

ENTRIES = _any("""
    entry_* do_syscall_* do_fast_syscall* do_int80* do_SYSENTER_32 ret_from_* ret_fast* kthread
    worker_thread process_(one_work|scheduled_works) syscall_* system_call* sysenter* x32_sys_call
    x64_sys_call ia32_sys_call start_kernel start_secondary secondary_startup* x86_64_start*
    cpu_startup_entry do_idle default_idle* el0_* el0t_* invoke_syscall do_el0_* ret_to_user* rest_init
    kernel_init(_freeable)? child_rip kernel_thread_helper exit_to_user* apic_timer_interrupt sysvec_*
    asm_sysvec* call_on_stack* smp_apic_timer* irq_exit* do_softirq*
""")
"""The way into the kernel or the thread: named only where nothing else is left."""

TICKS = _any("""
    rcu_(dump_cpu_stacks|check_callbacks|sched_clock_irq|pending) check_cpu_stall*
    print_(cpu|other_cpu)_*stall* update_process_times tick_* hrtimer_run_queues hrtimer_interrupt
    watchdog_timer_fn watchdog_overflow* nmi_*backtrace* nmi_handle perf_event_nmi* (asm_)?exc_nmi
""")
"""The interrupt that found a CPU stuck and printed its stack."""

INTERRUPT_ENTRIES = _any("""
    (asm_)?sysvec_* irqentry_* (smp_)?apic_timer_interrupt* el1_irq el1h_64_irq el0_irq irq_svc nmi
    end_repeat_nmi asm_exc_nmi asm_call_* reschedule_interrupt call_function*interrupt ret_from_intr
    (asm_)?common_interrupt handle_exception do_irq
""")
"""Where an interrupt begins: what it interrupted is the next frame outwards."""

# The way in: a system call, a thread, work, a timer, a soft interrupt, a page fault.
_DISPATCH = """
    entry_* do_syscall_* do_fast_syscall* do_int80* ret_from_fork* ret_fast_syscall system_call* sysenter*
    syscall_* x64_sys_call ia32_sys_call el0_svc* invoke_syscall do_el0_svc el0_sync* tracesys* kthread
    worker_thread process_(one_work|scheduled_works) task_work_run exit_to_user* call_timer_fn
    expire_timers run_timers run_timer_softirq hrtimer_run_queues hrtimer_interrupt rcu_do_batch
    do_softirq handle_softirqs run_ksoftirqd softirq_* tasklet_action* smpboot_thread_fn start_secondary
    cpu_startup_entry handle_irq_event* handle_mm_fault do_page_fault exc_page_fault asm_exc_page_fault
    page_fault
"""
# System calls that mean something only together with the file, socket or device they were made on.
_OPERATIONS = """
    do_vfs_ioctl vfs_ioctl (*_)?(k?sys|SyS|SYSC)_(ioctl|read|write) *compat_ioctl
    vfs_(open|read|write|readv|writev) vfs_iter_(read|write) new_sync_(read|write) call_(read|write)_iter
    do_iter_(read|write|readv_writev)* kernel_(read|write) do_loop_readv* do_dentry_open fput
    sock_(sendmsg|recvmsg)(_nosec)? sock_release sock_(do_)?ioctl sock_mmap
    (*_)?(sys|SyS|SYSC)_(connect|bind|listen|accept4?|setsockopt|getsockopt|getsockname|socketpair)
    kernel_(setsockopt|listen|accept|connect|bind) sock_common_setsockopt do_sock_(set|get)sockopt
    sk_common_release sock_(read|write)_iter nfnetlink_rcv_msg netlink_dump netif_receive_skb*
    net_rx_action napi_poll
"""
CALL_ENTRIES = _any(_DISPATCH, _OPERATIONS)
"""Who called decides: the frame inside one of these tells one call, timer, work or protocol from another."""

WAITS = _any(
    _SCHEDULE,
    _LOCKS,
    _PRINT,
    """
    do_nanosleep clock_nanosleep* hrtimer_* queue_work*
    *(_lock|slowlock|mutex|rwsem|sched|completion|semaphore)* *wait_bit* folio_wait* wait_* swait*
    jbd2_log_wait* *down *down_* kthread lock_* rcu_barrier* synchronize_* exp_funnel* rt_* switch_to
    refrigerator flush_*work* *unlock* blk_*freeze* percpu_* do_read_cache_(folio|page)
""",
)
"""A blocked task: the ways to wait."""

NAMED_WAITS = _any("""
    rtnl_lock rtnl_lock_killable synchronize_(rcu|srcu|sched|net|rcu_expedited|rcu_tasks) console_lock
    lock_mount
""")
"""Waits that everybody knows by name."""

CROSS_CALLS = _any("smp_call_function*")
"""Waiting for other CPUs to answer: they hold the cause, whoever called."""

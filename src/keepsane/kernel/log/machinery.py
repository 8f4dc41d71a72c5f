# SPDX-License-Identifier: GPL-2.0-or-later
"""
Functions that a title passes over, by the reason why; function_names.py says how the lists are written.

A new name goes into the group whose comment it fits: by what the function is, not by the log it was seen in.
"""

from __future__ import annotations

from keepsane.kernel.log.function_names import Names

# They print a stack.
_STACK = "(dump|show)_stack* show_trace* dump_backtrace* sched_show_task*"
# They print the report.
_PRINT = """
    dump_* show_(regs|opcodes|fault_oops)* print_* printk* vprintk* panic vpanic nmi_panic
    skb_panic fortify_panic panic_saved_regs warn
    warn_(slowpath|alloc|printk|bogus|thunk|flushing)* report_* end_report die die_* oops_* kmsg_dump*
    dev_printk* dev_vprintk* stack_trace_(save|consume)* save_stack* arch_stack_walk walk_stackframe
    unwind_* stack_depot_* set_track* object_err slab_(err|bug|pad_check) spin_(dump|bug) schedule_bug
    nmi_(cpu|trigger|handle)* arch_trigger_* default_do_nmi do_nmi end_repeat_nmi nmi first_nmi repeat_nmi
    ubsan_* val_to_string dynamic_(pr|dev|netdev)_* *assertfail assfail show_state_filter
    (netdev|dev)_(printk|err|warn|info|notice|dbg) *_panic *rust_begin_unwind* core::panicking::*
    rust_helper_* panic_* check_panic_on_warn
"""

# They take the trap.
_TRAPS = """
    do_(trap|error_trap|invalid_op|general_protection|page_fault|kern_addr_fault|user_addr_fault|bad_area|int3)
    do_(translation_fault|mem_abort|alignment_fault|tag_check_fault|tag_recovery|undefinstr|kernel_fault|debug)
    do_(debug_exception|PrefetchAbort|DataAbort|divide_error|double_fault|stack_segment|sea) do_el1_*
    (asm_)?exc_* error_entry error_exit page_fault async_page_fault general_protection invalid_op
    divide_error double_fault int3 handle_bug fixup_* no_context bad_area* mm_fault_error page_fault_oops
    kernelmode_fixup* is_prefetch* el1_* el1h_* el1t_* bug_handler call_break_hook brk_handler notify_die
    atomic_notifier* kgdb_* und_svc* dabt_svc* pabt_svc* early_(idt|pgtable|ti)* ret_from_exception
    restore_all_* handle_exception stack_segment arm64_(notify_die|force|serror|is_fatal_ras)* do_serror
    x86_indirect_thunk_*
    x86_return_thunk* x86_retpoline_* program_check_* die_kernel_fault bug
"""

# They checked what turned out wrong: sanitizers, lock and object debugging, hardened copies.
_CHECKS = """
    kasan_* kasan* asan_* hwasan_* kmsan* msan_* kcsan* tsan_* kfence_* sanitizer_* memory_is_*
    (read|write)_once_* instrument_*
    check_(memory_region|heap_object|object|region_inline|access|stack_object|copy_size|bytes_and_report|poison_obj)*
    check_(prev|noncircular|deadlock|usage|irq|path|unlock|flags|chain_key|wait_context|slab|preemption_disabled)*
    debug_(print_object|check_no_|object_|assert|locks|spin|mutex|rwlock|work|timer|rt_mutex|list|smp_)*
    might_(sleep|fault|resched)* lockdep_* lock_(acquire|release|downgrade|is_held|set)*
    validate_(chain|slab)* mark_(lock|held_locks|usage|irqflags)* valid_state register_lock_class
    look_up_lock_class static_obj bad_chain* assign_lock_key trace_(hardirqs|softirqs|graph|irq)_*
    irq_usage* perf_trace_* unlock_bug skb_(over|under)_panic usercopy_* stack_chk_fail
    preempt_count_(add|sub) this_cpu_preempt_check warn_bogus_irq_restore
    rcu_(lock|lockdep|read_lock|read_unlock|preempt_deferred|note_context|dynticks|irq|eqs|is_watching)*
    timer_is_static_object work_is_static_object free_obj_work fill_pool lookup_object*
    read_word_at_a_time bad_page* get_(freepointer|map_page)* on_freelist (free|alloc)_debug_processing
    free_consistency_checks ref_tracker_* refcount_* kref_* kobject_* add_uevent_var reacquire_held_locks
    lock_class* fortify_* fs_reclaim_* hlock_class find_usage_* seqprop_* rcu_(preempt_)?sleep_check*
    handle_(overflow|null_ptr_deref|misaligned_access|object_size_mismatch)
    (phys_addr|virt_to_phys|slow_virt_to_phys|virt_addr_valid|pfn_valid|virt_to_head_page)*
"""

REPORTING = Names(_STACK, _PRINT, _TRAPS, _CHECKS)
"""Frames that only report, trap or check."""

ACCUSERS = Names("""
    (kasan|kmsan|kfence|hwasan)_report* kasan_check* kasan_handle* print_report* print_address_description*
    asan_* hwasan_* msan_* check_memory_region* kmsan_warning* report_double_free kasan_slab_free*
    kasan_poison* kfence_handle* kfence_guarded* memory_is_*
""")
"""Where a sanitizer found the fault: a stack without them is not the one its headline is about."""

RETURN_PLACES = Names("""
    ret_* kthread kernel_thread_* child_rip work_pending restore_* return_to_handler *_trampoline
    el0_* dump_backtrace* dump_stack* show_stack* unwind_backtrace* stack_trace_* arch_stack_walk*
    save_stack_trace* start secondary_startup* entry_* handle_sys*
""")
"""Their first address is put into a stack by hand, so that what is called returns there."""

STACK_PRINTERS = Names(_STACK)
"""The innermost frame of a stack that somebody asked for."""

# mm/slab*.c, mm/slub.c, mm/page_alloc.c, mm/vmalloc.c, mm/percpu.c, mm/mempool.c, net/core/page_pool.c
_MEMORY = """
    (k|kz|kc|kv|kvz|kvc|kvm|v|vz|vm|kmem_)(alloc|zalloc|calloc|malloc)* (devm_|sock_)?k(m|z|c)alloc*
    (k|kv|v|kvm)realloc* (k|kv|v|kz)free* kmem_cache_* cache_(alloc|free|grow)* kstrdup* kstrndup*
    strndup* kmemdup* kvmemdup* memdup_* (k|kv)asprintf alloc_(page|pages|slab|percpu|frozen|contig)*
    (get_)?free_page* get_zeroed_page* get_free_page* get_page_from_freelist allocate_slab new_slab*
    free_unref* free_the_page free_pcppages_bulk free_one_page release_pages
    free_large_kmalloc free_frozen* put_cpu_partial slab_* pcpu_* do_kmalloc*
    do_slab_free folio_alloc* mempool_* vmap* vunmap* should_fail* fail_* ioremap* iounmap* free_percpu
    rmqueue* prep_* post_alloc_hook discard_slab find_(get|lock)_entries truncate_inode_pages* page_pool_*
    alloc_large_kmalloc kmalloc_* (filemap|vma|shmem)_alloc_folio* (set|reset|split|copy)_page_owner*
    page_frag_(alloc|cache|free)* alloc_slab_page
    alloc_skb* (netdev|napi)_alloc_* sock_alloc_send_(skb|pskb) sock_(wmalloc|omalloc) build_skb*
"""
# lib/string*.c, lib/vsprintf.c, lib/usercopy.c, lib/iov_iter.c, include/linux/uaccess.h
_STRINGS = """
    mem(cpy|set|move|cmp|chr|scan|copy|dup)* (v)?(s|sn|sc)printf vscnprintf number string string_nocheck
    format_decode pointer va_format str(len|nlen|cpy|ncpy|lcpy|scpy|cmp|ncmp|casecmp|ncasecmp|str|nstr)
    str(chr|nchr|rchr|chrnul|cat|ncat|lcat|sep|im) strncpy_from_user strnlen_user
    (raw_|arch_)?copy_(to|from|in)_(user|iter)* copy_user_* copyin copyout simple_copy_* (get|put)_user*
    hex_dump* rep_(movs|stos)* copy_page_(to|from)_iter* iov_iter_* import_(iovec|ubuf|single)*
    logic_(in|out)* read(b|w|l|q) write(b|w|l|q) clear_user* csum_*
    (hex|bitmap|bitmap_list|symbol|resource|resource_or_range|mac_address|uuid|escaped|rtc|time)_string
    (ip4|ip6|ip4_addr|ip6_addr|ip6_compressed|device_node|fwnode|fwnode_full_name|fourcc|err_ptr)_string
    (bdev|dentry|file_dentry|clock|netdev_bits|address_val|flags|widen|default|restricted)_(name|pointer|string)
    simple_strto* kstrto* sscanf vsscanf io(read|write)(8|16|32|64)* (in|out)(b|w|l) nla_(put|reserve|memcpy)*
    special_hex_number num_to_str put_dec* ptr_to_* widen_string string_escape_mem* string_truncate
"""
# lib/crc/, lib/crypto/, lib/math/: they compute on what they are given.
_LEAVES = """
    crc(4|7|8|16|32|64|32c|_ccitt|_itu_t|_t10dif)(_le|_be)?(_base|_arch|_generic|_update)? crypto_xor*
    aes_(encrypt|decrypt|expandkey)* aesti_* (sha1|sha256|sha512|md5|blake2s|chacha|poly1305)_*
    siphash* hsiphash* jhash* xxh(32|64)* (int|int64)_sqrt* gcd bsearch sort sort_r div64_* div_u64*
"""
# kernel/locking/, include/linux/spinlock.h, kernel/softirq.c
_LOCKS = """
    (ww_|rt_)?mutex_* rwsem_* down down_(read|write|interruptible|killable|timeout|trylock)* up
    up_(read|write)* downgrade_write raw_(spin|read|write)* do_raw_*
    (native_)?(queued_)?spin_(lock|unlock|trylock)* rt_spin_* rtlock*
    (native_)?(queued_)?(read|write)_(lock|unlock|trylock)* pv_queued_* osq_* lock_sock* bit_spin*
    arch_spin* arch_local* *write_lock *write_lock_nested rq_lock* task_rq_lock* raw_spin_rq*
    rt_(read|write)_(lock|unlock|trylock)* rwbase_* release_sock
    owner_on_cpu read_seq* raw_seqcount_* raw_read_seq* srcu_read_(lock|unlock)* lockref_*
    lock_timer_base local_bh_* local_irq_* seqcount_* seqlock_* percpu_(down|up)_*
"""
# include/linux/atomic, bitops, list.h; lib/rbtree.c, rhashtable.c, xarray.c, maple_tree.c, idr.c, kref
_STRUCTURES = """
    (raw_|arch_)?atomic(64_|_long_|_)* (arch_)?(test|set|clear|change)_bit
    (arch_)?test_and_(set|clear|change)_bit (variable|constant)_test_bit
    list_(add|del|move|replace|splice|empty)* hlist_(add|del)* klist_* llist_* plist_* rht_* rhashtable_*
    xas_* xa_* mas_* mtree_* idr_* ida_* get_current current_thread_info rb_(insert|erase|link|replace)*
    rb_(first|last|next|prev)*
    percpu_ref_* skb_(put|push|pull|trim|copy|clone|expand|header|headers) pskb_* skb_copy_* consume_skb
    skb_release_(all|data|head_state|head) kfree_skb* sk_skb_reason_drop skb_free_head netif_receive_skb*
    dput fast_dput
"""
# Registering and releasing things in general: who did it with what is the caller.
# drivers/base/, fs/sysfs/, fs/kernfs/, fs/proc/generic.c, drivers/usb/core/, net/core/dev.c
_REGISTRIES = """
    device_(add|del|register|unregister|create|destroy|release|remove|initialize|links|bind|for_each|find|move)*
    (get|put)_device* devres_* devm_(add|remove|release|kfree)*
    driver_(register|unregister|attach|detach|probe)* really_probe bus_(add|remove|probe|for_each)*
    class_(create|destroy|register|unregister)* hwrng_unregister i2c_del_adapter
    proc_(register|create|mkdir|remove)* remove_proc_* sysfs_*
    kernfs_(next|name|path|walk|break|unbreak|refresh|dir|iop|dop)* internal_create_group*
    unregister_netdev* rollback_registered* tty_unregister_device cdev_(add|del|put)*
    usb_(submit_urb|kill_urb|kill_anchored_urbs|control_msg|bulk_msg|interrupt_msg|start_wait_urb)
    usb_(unlink_urb|poison_urb|free_urb|get_urb|anchor_urb|unanchor_urb)* usb_hcd_* unregister_client
    dpm_sysfs_* device_pm_* pm_runtime_*
"""
# What inodes, pages and buffers share: fs/inode.c, fs/buffer.c, mm/filemap.c
_FILES = """
    (drop|inc|clear|set)_nlink mark_buffer_dirty* mark_inode_dirty*
    (folio|page)_(lock|unlock|put|get|end)* unlock_page lock_page* put_page* set_page_dirty* brelse
    bforget iput* iget_* ilookup*
"""
# kernel/workqueue.c, kernel/time/timer.c
_WORK = """
    insert_work queue_(work|delayed_work|rcu_work)* mod_delayed_work* flush_(work|workqueue|delayed_work)*
    drain_workqueue* destroy_workqueue start_flush_work cancel_(delayed_)?work* try_to_grab_pending
    (add|del|mod)_timer* try_to_del* timer_(delete|shutdown|reduce)* detach_if_pending call_rcu*
    (init|do_init)_timer* timer_init* sk_(stop|reset)_timer*
    get_work_pool* hrtimer_(active|cancel|try_to_cancel|start|init|setup|forward)*
    smp_call_function* on_each_cpu* kthread_(stop|queue_work|flush_work|cancel)*
"""
# kernel/sched/core.c, kernel/sched/wait.c, kernel/time/sleep_timeout.c; the last line is ZFS's own layer of
# waits, module/os/linux/spl/spl-condvar.c
_SCHEDULE = """
    schedule schedule_(timeout|preempt|hrtimeout|idle|debug|rtlock)*
    io_schedule* preempt_schedule* cond_resched*
    wait_for_* wait_on_* do_wait_for* prepare_to_wait* finish_wait bit_wait* out_of_line_wait* msleep*
    usleep* fsleep context_switch switch_to
    complete complete_all swake_up* wake_up
    wake_up_(all|bit|var|process|q|state|poll|locked|interruptible|sync|common)*
    try_to_wake_up default_wake_function autoremove_wake_function
    (add|remove)_wait_queue*
    cv_(wait|timedwait)(_common|_io|_sig|_idle|_io_sig|_hires|_sig_hires|_idle_hires)?
"""
# Prefixes that belong to one library of the kernel, and its functions whose names others carry on:
# `mutex_lock` helps, `mutex_lock_widget` is a driver's.
_LIBRARIES = """
    (refcount|kref|kobject|xas|xa|mas|mtree|idr|ida|rht|rhashtable|klist|llist|plist|percpu_ref|ref_tracker)_*
    (sysfs|iov_iter|mempool|page_pool|kmem_cache|lockdep|devres|pcpu|rwsem|osq|slab)_*
    (kasan|kmsan|kcsan|kfence|asan|hwasan|msan|tsan|ubsan)_*
    (stack_trace|stack_depot)_*
    list_(add|del|del_entry)_valid(_or_report)? kfree_skb(_reason|_list|_partial)? rb_insert_color
    (raw_|arch_)?atomic(64|_long)?_(read|set|add|sub|inc|dec|cmpxchg|xchg|or|and|fetch_add|fetch_sub)
    (raw_|arch_)?atomic(64|_long)?_(inc_return|dec_return|dec_and_test|inc_not_zero|sub_and_test|add_unless)
    atomic_dec_and_(lock|lock_irqsave|raw_lock|mutex_lock)
    (do_)?(raw_)?(spin|read|write)_(lock|unlock|trylock)(_bh|_irq|_irqsave|_irqrestore)?
    (native_|pv_)?queued_(spin|read|write)_lock_slowpath
    mutex_(lock|unlock|trylock|is_locked|spin_on_owner)(_nested|_common|_slowpath)?
    mutex_lock_(interruptible|killable)(_nested)?
    (add|del|mod)_timer(_sync|_pending)? try_to_del_timer_sync timer_delete(_sync)?
    cancel_(delayed_)?work(_sync)? flush_(delayed_)?work wake_up_common_lock prepare_to_wait_(event|exclusive)
    wait_for_completion_(timeout|killable|interruptible) copy_page_(to|from)_iter
    skb_(put|push|pull|trim|copy|clone)(_data|_header|_bits|_expand|_checksum)?
    memcpy_(erms|orig|toio|fromio) memset_(erms|orig|io) memchr_inv rep_(movs|stos)_alternative
    copy_user_(generic_string|generic_unrolled|enhanced_fast_string|nocache)
    debug_spin_(lock|unlock)(_before|_after)? owner_on_cpu mutex_(can_spin_on_owner|optimistic_spin)
    list_(del|add)_entry rb_(erase_color|insert_augmented|first|last|next|prev)
    hlist_(add|del)_(head|init|rcu)
    radix_tree_(lookup|lookup_slot|insert|delete|next_chunk) lockref_(get|put_or_lock|put_return|mark_dead)
    hrtimer_(active|cancel|try_to_cancel|start_range_ns) queue_work_on wait_for_completion wait_on_bit
    rt_(mutex|spin)_(lock|unlock|trylock) srcu_read_(lock|unlock) io(read|write)(8|16|32)
"""
LIBRARIES = Names(_LIBRARIES)
"""Helpers that a title passes over even where a headline accuses them."""

LIST_CHECKS = Names("list_(add|del|del_entry)(_valid)?(_or_report)?")
"""They check the links of a list for everybody who changes one: lib/list_debug.c."""

SCHEDULER = Names("schedule context_switch switch_to")
"""The switch from one task to another."""

HELPERS = Names(_MEMORY, _STRINGS, _LEAVES, _LOCKS, _STRUCTURES, _REGISTRIES, _FILES, _WORK, _SCHEDULE)
"""General helpers: what matters is who called them."""

_ALLOCATE = "*alloc* *strdup* *memdup* create_object *printf pcpu_*"
ALLOCATORS = Names(_ALLOCATE, modules=True)
"""Functions that get memory for their caller: he is the one who must give it back."""

PAGE_ALLOCATORS = Names(
    _ALLOCATE,
    """
    *get_free_page* kmem_* slab_* *new_slab* *cache_refill* vm_area* cache_grow* get_page_from* should_fail*
    out_of_memory* oom_kill* *folio_* *page_cache* *page_frag* fallback_* dma_direct*
    """,
    modules=True,
)
"""Those, and what stands between them and the pages: who asked for memory is above."""

ALLOCATIONS = Names("warn_alloc* alloc_pages* alloc_frozen_pages* out_of_memory* vmalloc*")
"""Every request for pages goes through one of these."""

BUFFER_MAKERS = Names("build_skb* napi_build_skb* (p)?skb_(copy|clone|expand)*")
"""They make packet buffers for whoever receives or copies one."""

OOM_KILLER = Names("dump_header* oom_kill* out_of_memory* select_bad_process*")
"""The way from a request to the kill."""

CHARGES = Names("mem_cgroup_* try_charge* charge_memcg* obj_cgroup_charge*")
"""Pages are charged to a control group: what fails here is the group's limit."""

PAGE_REQUESTS = Names("alloc_pages* alloc_frozen_pages* get_free_pages*")
"""Pages of the machine are asked for."""

_TO_USER = "(syscall_|irqentry_)?exit_to_user* prepare_exit_to_user* do_notify_resume* ret_to_user*"
USER_MODE_EXITS = Names(_TO_USER)
"""A task on its way back to user space."""

_SYSTEM_CALLS = """
    entry_* do_syscall_* do_fast_syscall* do_int80* do_SYSENTER_32 ret_fast* syscall_* system_call*
    sysenter* (x32|x64|ia32)_sys_call el0_svc* el0_sync* el0t_* invoke_syscall do_el0_svc* tracesys*
"""
SYSTEM_CALLS = Names(_SYSTEM_CALLS, "x64_sys_* ksys_* do_sys*")
"""A system call, by its entry or its own function."""

_THREADS = "ret_from_fork* kthread worker_thread process_(one_work|scheduled_works)"
WORKERS = Names("worker_thread process_(one_work|scheduled_works)")
"""What runs the work that others queued."""

_PAGE_FAULTS = "(asm_)?exc_page_fault do_page_fault page_fault do_user_addr_fault handle_mm_fault"
FAULT_ENTRIES = Names("(asm_)?exc_page_fault do_page_fault page_fault el1_(abort|da) do_DataAbort dabt_svc")
"""Where a fault on an address begins."""

PAGE_FAULTS = Names(_PAGE_FAULTS)
"""A page of user space is fetched."""

TASK_ENTRIES = Names(_SYSTEM_CALLS, _TO_USER, _THREADS, _PAGE_FAULTS, "retint_user*")
"""The way into a task's own work."""

ENTRIES = Names(
    _SYSTEM_CALLS,
    _TO_USER,
    _THREADS,
    """
    el0_* do_el0_* ret_from_* start_kernel start_secondary secondary_startup* x86_64_start*
    cpu_startup_entry do_idle default_idle* xen_hypercall_sched_op (xen|native|kvm)_safe_halt
    rest_init kernel_init(_freeable)? child_rip kernel_thread_helper
    apic_timer_interrupt sysvec_* asm_sysvec* call_on_stack* smp_apic_timer* irq_exit* do_softirq*
    irqentry_* retint_* asm_call_*
    """,
)
"""The way into the kernel or the thread: named only where nothing else is left."""

OUTERMOST = Names("""
    entry_* ret_from_fork* secondary_startup* common_startup* asm_* el0t_* start_kernel* x86_64_start*
    switch_to_asm* do_syscall* system_call* kernel_thread* kthread* start
""")
"""Nothing is outside of these: a stack that ends here is whole."""

TICKS = Names("""
    rcu_(dump_cpu_stacks|check_callbacks|sched_clock_irq|pending) check_cpu_stall* print_(cpu|other_cpu)_*
    update_process_times tick_* hrtimer_run_queues hrtimer_interrupt watchdog_timer_fn watchdog_overflow*
    nmi_(cpu|trigger)* nmi_handle perf_event_nmi* (asm_)?exc_nmi perf_event_overflow* *_pmu_handle_irq
    do_nmi default_do_nmi
""")
"""The interrupt that found a CPU stuck and printed its stack."""

_INTERRUPT = """
    (asm_)?sysvec_* (asm_)?common_interrupt* (smp_)?(trace_)?apic_timer_interrupt* ret_from_intr do_irq
    irq_svc el0_irq el1_irq* el1h_64_irq* xen_do_(hypervisor_callback|upcall_irq)
    (asm_)?exc_xen_hypervisor_callback
"""
INTERRUPT_ENTRIES = Names(
    _INTERRUPT,
    """
    irqentry_* retint_* nmi end_repeat_nmi asm_exc_nmi asm_call_* reschedule_interrupt call_function*
    handle_exception
    """,
)
"""Where an interrupt begins: what it interrupted is the next frame outwards."""

INTERRUPTS = Names(
    _INTERRUPT,
    """
    do_IRQ* *handle_irq* handle_IRQ* el1_interrupt* *irq_exit* *softirq* do_interrupt* (asm_)?exc_nmi
    xen_(hvm|evtchn)_*
    """,
)
"""What runs an interrupt or a softirq: it is not the work of the task that it interrupted."""

EXCEPTION_ENTRIES = Names("""
    asm_* (el0t|el1h)_(64|32)_(sync|irq|fiq|error) ret_from_intr* apic_timer_interrupt* common_interrupt*
    error_entry*
""")
"""The first code of an exception: what stands outside of it was interrupted and called nothing."""

ARM64_EXCEPTIONS = Names("el1(h|t)?(_64)?_(sync|irq|fiq|error|inv|da|undef|dbg)(_compat)?")
"""The same inside the kernel of arm64, whose stack has the interrupted function as an ordinary frame."""

IRQ_EXITS = Names("irq_exit irq_exit_rcu invoke_softirq")
"""What runs softirqs at the end of an interrupt: outside of it stands only that interrupt's entry."""

SOFTIRQ_THREADS = Names("run_ksoftirqd* smpboot_thread_fn* napi_threaded_poll*")
"""A softirq in a thread of its own interrupts nobody."""

# What is called for whoever is waiting: a timer, a soft interrupt, an idle CPU.
_CALLBACKS = """
    task_work_run call_timer_fn expire_timers run_timers run_timer_softirq hrtimer_run_queues
    hrtimer_interrupt rcu_do_batch do_softirq handle_softirqs run_ksoftirqd softirq_* tasklet_action*
    smpboot_thread_fn start_secondary cpu_startup_entry handle_irq_event*
"""
# System calls that mean something only together with the file, socket or device they were made on.
_OPERATIONS = """
    do_vfs_ioctl vfs_ioctl *(sys|SyS|SYSC)_(ioctl|read|write) *compat_ioctl
    vfs_(open|read|write|readv|writev) vfs_iter_(read|write) new_sync_(read|write) call_(read|write)_iter
    do_iter_(read|write|readv_writev)* kernel_(read|write) do_loop_readv* do_dentry_open fput
    sock_(sendmsg|recvmsg)(_nosec)? sock_release sock_(do_)?ioctl sock_mmap
    *(sys|SyS|SYSC)_(connect|bind|listen|accept|accept4|setsockopt|getsockopt|getsockname|socketpair)
    kernel_(setsockopt|listen|accept|connect|bind) sock_common_setsockopt do_sock_(set|get)sockopt
    sk_common_release sock_(read|write)_iter nfnetlink_rcv_msg netlink_dump netif_receive_skb*
    net_rx_action napi_poll rtnetlink_rcv_msg
    handle_pte_fault do_fault do_(read|cow|shared|anonymous|page|file)_fault do_page_mkwrite do_shared_fault
"""
CALL_ENTRIES = Names(_SYSTEM_CALLS, _TO_USER, _THREADS, _PAGE_FAULTS, _CALLBACKS, _OPERATIONS)
"""Who called decides: the frame inside one of these tells one call, timer, work or protocol from another."""

_WAITS = """
    do_nanosleep clock_nanosleep* hrtimer_* queue_work*
    *(_lock|slowlock|mutex|rwsem|sched|completion|semaphore)*
    *down* kthread lock_* rcu_barrier* synchronize_* exp_funnel* rt_* switch_to
    refrigerator flush_* *unlock* blk_mq_freeze* blk_freeze* blk_queue_enter* percpu_*
    do_read_cache_(folio|page)
    usb_(start_wait_urb|control_msg|bulk_msg|interrupt_msg|kill_urb|poison_urb|kill_anchored_urbs)*
    release_sock *wait_bit* folio_wait* wait_* swait* jbd2_log_wait*
"""
PLAIN_WAITS = Names(_SCHEDULE, _WORK, _LOCKS, _PRINT, _WAITS)
"""A blocked task: the ways to wait."""

WAITS = Names(_SCHEDULE, _WORK, _LOCKS, _PRINT, _WAITS, "*wait*")
"""Those, and whatever says of itself that it waits."""

NAMED_WAITS = Names("""
    rtnl_lock rtnl_lock_killable synchronize_(rcu|srcu|sched|net|rcu_expedited|rcu_tasks) lock_mount
""")
"""Waits that everybody knows by name."""

CROSS_CALLS = Names("smp_call_function*")
"""Waiting for other CPUs to answer: they hold the cause, whoever called."""

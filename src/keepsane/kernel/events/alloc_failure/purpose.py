# SPDX-License-Identifier: GPL-2.0-or-later
"""
What memory was wanted for, by the functions that asked: what does its caller do without it?

    napi_alloc_skb                  a receive buffer: the packet is lost, its sender sends it again
    mempool_alloc_noprof            the first try of a pool that keeps a reserve of its own
    usb_probe_interface             a device that is just being set up: it will not work

Whether a failure hurts is decided by the caller, not by the allocator. A path that no row knows is not
judged. Source: the callers themselves (as of 6.12): net/core/skbuff.c, mm/mempool.c, drivers/base/dd.c, ...
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.show_mem.requester import frames_of_request
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.pages.gfp import Gfp
from keepsane.model import Frame

Harm = Literal["none", "retried", "operation", "data"]
"""
What a failure costs: `none`, the caller has something else to do then; `retried`, a packet or the like is
lost and comes again; `operation`, what somebody wanted to do fails; `data`, I/O may fail.
"""


class Purpose(NamedTuple):
    """What memory was wanted for, what becomes of it without, and the frame that shows it."""

    name: str
    what: str
    without: str
    harm: Harm
    frame: Frame


class _Row(NamedTuple):
    name: str
    functions: Names
    what: str
    without: str
    harm: Harm
    only: Literal["", "blocks"] = ""  # blocks: only of requests for more than a page


_ROWS = (
    _Row(
        "mempool",
        # Not the pool's own allocators: filling a new pool calls mempool_alloc_slab() too.
        Names("mempool_alloc mempool_alloc_noprof"),
        "the first try of a mempool",
        "the pool's own reserve serves, and if that is used up, it waits",
        "none",
    ),
    _Row(
        "security-cache",
        Names("avc_(alloc_node|compute_av|has_perm)*"),
        "an entry of a cache that only saves time",
        "the decision is computed again next time",
        "none",
    ),
    _Row(
        "huge-page",
        Names("do_huge_pmd_* khugepaged* hpage_collapse_* alloc_charge_(hpage|folio) vma_alloc_anon_folio*"),
        "a huge page",
        "small pages are used instead",
        "none",
        "blocks",
    ),
    _Row(
        "fallback-to-vmalloc",
        Names("kvmalloc* kvzalloc* kvcalloc*"),
        "memory that need not be in one piece",
        "vmalloc() puts it together from single pages",
        "none",
        "blocks",
    ),
    _Row(
        "page-fragment",
        # Not alloc_skb_with_frags(): it tries large blocks in silence, and reports only the head of a packet.
        Names("skb_page_frag_refill sk_page_frag_refill page_frag_(alloc|refill)*"),
        "a large block to cut network buffers from",
        "single pages are used instead",
        "none",
        "blocks",
    ),
    _Row(
        "graphics-pool",
        Names("ttm_pool_alloc* ttm_alloc_new_pages ttm_get_pages ttm_pool_populate"),
        "a large block for a graphics buffer",
        "smaller blocks are used instead",
        "none",
        "blocks",
    ),
    _Row(
        "dma-pool",
        Names("dma_atomic_pool_init atomic_pool_(expand|resize)* __dma_atomic_pool_init"),
        "the pool of DMA memory for drivers that cannot wait",
        "drivers of old devices may get none; a crash kernel, which has no such memory, needs none",
        "none",
    ),
    _Row(
        "storage",
        Names(
            "submit_bio* bio_alloc* blk_mq_(dispatch|submit|make|run|sched_insert|flush|try_issue|end)* "
            "scsi_queue_rq nvme_queue_rq virtio_queue_rq dm_(submit_bio|make_request|mq_queue_rq|wq_work) "
            "md_(make_request|submit_bio|handle_request|do_sync|thread) ata_(qc_issue|scsi_queuecmd) "
            "swap_writepage* writeback_*"
        ),
        "reading from or writing to storage",
        "I/O waits or fails; a write that fails is lost data",
        "data",
    ),
    _Row(
        "receive",
        Names(
            "net_rx_action napi_poll* process_backlog *napi_alloc_* *_alloc_rx_* *rx_refill* *refill_rx* "
            "*rx_poll* *rx_submit* netif_receive_skb* *_receive_skb netdev_alloc_* dev_alloc_skb "
            "page_pool_(alloc|dev_alloc|refill)* *_rx_complete *clean_rx_*"
        ),
        "a buffer for packets that arrive",
        "packets are dropped; protocols with acknowledgement send them again",
        "retried",
    ),
    _Row(
        "transmit",
        Names(
            "sock_alloc_send_* sock_wmalloc tcp_send* tcp_write_xmit udp_send* unix_(stream|dgram)_sendmsg "
            "ip_append_data dev_queue_xmit* "
            "netlink_(sendmsg|alloc)* nlmsg_new"
        ),
        "a packet to be sent",
        "it is not sent; protocols with acknowledgement try again, others tell the program",
        "retried",
    ),
    # Both who receives and who sends makes copies.
    _Row(
        "packet-copy",
        Names("skb_copy* pskb_copy* skb_clone* pskb_expand_head"),
        "a copy of a packet",
        "the copy is not made, and whoever was to get it does not; protocols with acknowledgement try again",
        "retried",
    ),
    _Row(
        "device",
        Names(
            "really_probe (local_pci|pci_device|platform|platform_drv)_probe driver_probe_device "
            "*_probe_device *_probe_interface dev_open "
            "dev_change_flags request_firmware* firmware_request_* do_init_module load_module *_ndo_open "
            "*_hw_init *_open_device do_one_initcall"
        ),
        "setting up a device or a module",
        "that fails, and the device does not work",
        "operation",
    ),
    _Row(
        "usb",
        Names("usb_submit_urb usb_hcd_submit_urb xhci_urb_enqueue xhci_queue_* usb_(control|bulk)_msg"),
        "a USB transfer",
        "the transfer fails; whether the driver tries again is its own affair",
        "operation",
    ),
    _Row(
        "core-dump",
        Names("do_coredump elf_core_dump vfs_coredump"),
        "writing a core dump",
        "the core file is missing or incomplete",
        "operation",
    ),
    _Row(
        "new-task",
        Names("dup_task_struct copy_process alloc_thread_stack_node* kernel_clone do_fork kernel_thread"),
        "a new process or thread",
        "fork() or clone() returns ENOMEM",
        "operation",
    ),
    _Row(
        "filesystem",
        Names("ext[234]_* xfs_* btrfs_* f2fs_* nfs* cifs_* smb2_* ceph_* fuse_* zpl_* zfs_* ubifs_* jbd2_*"),
        "the work of a filesystem",
        "the operation fails with ENOMEM, or the filesystem tries again",
        "data",
    ),
    _Row(
        "page-fault",
        Names("handle_mm_fault do_(anonymous_page|fault|wp_page|cow_fault|swap_page)* do_user_addr_fault"),
        "a page of a program",
        "the OOM killer is called, or the program gets SIGBUS",
        "operation",
    ),
)


def purpose_of(frames: Iterable[Frame], order: int | None) -> Purpose | None:
    """
    Say what memory was wanted for, None where no frame tells.

    `frames` are those of the trace from the requester outwards, confirmed ones only. The frame nearest to the
    allocator decides, since an interrupt's frames lie on top of whatever was interrupted.
    """
    for frame in frames:
        row = _row_of(plain_name(frame.function or ""), (order or 0) > 0)
        if row is not None:
            return Purpose(row.name, row.what, row.without, row.harm, frame)
    return None


@lru_cache(4096)
def _row_of(function: str, is_block: bool) -> _Row | None:
    return next(
        (row for row in _ROWS if function in row.functions and (is_block or row.only != "blocks")), None
    )


def gives_up_lightly(gfp: Gfp) -> bool:
    """
    Tell whether the mask itself says that its caller has something else to do.

    mempool_alloc() takes direct reclaim away for its first try and adds these three (mm/mempool.c); whoever
    forbids reserves, asks for one try and for silence has a way out.
    """
    return gfp.noretry and gfp.nomemalloc and gfp.nowarn


def purpose(event: AllocFailure) -> Purpose | None:
    """Say what the memory was wanted for, by the confirmed frames of the request."""
    return None if event.requester is None else purpose_of(frames_of_request(event.stacks), event.order)


def is_harmless(event: AllocFailure) -> bool:
    """Tell whether the caller has something else to do, by its mask or by who it is."""
    wanted = purpose(event)
    return (wanted is not None and wanted.harm == "none") or (
        event.gfp is not None and gives_up_lightly(event.gfp)
    )


def harm_words(event: AllocFailure) -> str:
    """
    Answer whether a failure is harmless, also where that cannot be told.

        no: that fails, and the device does not work
        cannot be told: exhaust [crashme] is not among the callers that keepsane knows
    """
    wanted = purpose(event)
    if wanted is not None and wanted.harm == "none":
        return f"yes: {wanted.without}"
    if is_harmless(event):
        return "probably: its mask says that it copes"
    if wanted is not None:
        return f"{'once, yes; often, no' if wanted.harm == 'retried' else 'no'}: {wanted.without}"
    return f"cannot be told: {harm_not_known(event)}"


def harm_not_known(event: AllocFailure) -> str:
    """Say why it cannot be told what the failure costs: who asked is not known, or not to keepsane."""
    if event.requester is None:
        return "the report does not say who asked"
    module = f" [{event.requester.module}]" if event.requester.module else ""
    said = f"{event.requester.function}{module} is not among the callers that keepsane knows"
    copes = event.gfp is not None and event.gfp.noretry
    return said + ("; __GFP_NORETRY is for those that cope" if copes else "")

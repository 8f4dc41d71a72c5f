# SPDX-License-Identifier: GPL-2.0-or-later
"""What memory was wanted for, by call paths as the kernel source has them."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.alloc_failure.purpose import gives_up_lightly, purpose_of
from keepsane.kernel.pages.gfp import decode
from keepsane.model import Frame


def _frames(*functions: str) -> list[Frame]:
    return [
        Frame(line=line, function=name, offset_bytes=1, size_bytes=2)
        for line, name in enumerate(functions, 1)
    ]


@pytest.mark.parametrize(
    ("functions", "order", "name", "harm"),
    [
        # net/core/dev.c, net_rx_action() polls a driver, which refills its ring.
        (["virtnet_poll", "__napi_poll", "net_rx_action", "ksys_write"], 0, "receive", "retried"),
        (["e1000_alloc_rx_buffers", "e1000_clean_rx_irq", "e1000_clean"], 0, "receive", "retried"),
        # net/core/sock.c, skb_page_frag_refill() asks for order 3 first and for a page then.
        (["skb_page_frag_refill", "tcp_sendmsg_locked", "sock_sendmsg"], 3, "page-fragment", "none"),
        (["mempool_alloc_noprof", "bio_alloc_bioset", "submit_bio"], 0, "mempool", "none"),
        (["scsi_queue_rq", "blk_mq_dispatch_rq_list"], 0, "storage", "data"),
        (["avc_alloc_node", "avc_compute_av", "security_file_open"], 0, "security-cache", "none"),
        (["usb_stor_probe", "usb_probe_interface", "really_probe"], 4, "device", "operation"),
        (["elf_core_dump", "do_coredump"], 5, "core-dump", "operation"),
        (["dup_task_struct", "copy_process"], 2, "new-task", "operation"),
        (["do_huge_pmd_anonymous_page", "handle_mm_fault"], 9, "huge-page", "none"),
        (["do_anonymous_page", "handle_mm_fault"], 0, "page-fault", "operation"),
        (["kvmalloc_node_noprof", "alloc_fdtable"], 4, "fallback-to-vmalloc", "none"),
    ],
)
def test_who_asked_tells_what_a_failure_costs(functions: list[str], order: int, name: str, harm: str) -> None:
    purpose = purpose_of(_frames(*functions), order)
    assert purpose is not None
    assert (purpose.name, purpose.harm) == (name, harm)


@pytest.mark.parametrize(
    ("functions", "order"),
    [
        # mm/mempool.c, mempool_init_node() fills a new pool: nothing serves in its place.
        (["mempool_alloc_slab", "mempool_init_node", "bioset_init"], 0),
        # kernel/audit.c, audit_log_start() counts the record as lost; audit=2 even panics.
        (["kmem_cache_alloc", "audit_log_start", "audit_log_exit"], 0),
        # net/core/skbuff.c: its large blocks are asked for with __GFP_NOWARN, its head is not.
        (["__alloc_skb", "alloc_skb_with_frags", "sock_alloc_send_pskb"], 4),
    ],
)
def test_what_has_no_way_out_is_not_called_harmless(functions: list[str], order: int) -> None:
    purpose = purpose_of(_frames(*functions), order)
    assert purpose is None or purpose.harm != "none"


@pytest.mark.parametrize(
    ("functions", "name"),
    [
        # drivers/gpu/drm/amd: dm_ is the display manager there, the device mapper elsewhere.
        (["dc_create_state", "dm_suspend", "amdgpu_device_suspend"], None),
        # net/core/neighbour.c, net/ipv4/tcp_output.c and net/mac80211 probe a peer, not a device.
        (["__alloc_skb", "arp_create", "arp_solicit", "neigh_probe", "neigh_timer_handler"], None),
        (["tcp_stream_alloc_skb", "tcp_mtu_probe", "tcp_write_xmit"], "transmit"),
        (["__alloc_skb", "ieee80211_build_probe_req"], None),
        # What is set up is not yet read from or written to.
        (["blk_mq_alloc_rqs", "blk_mq_alloc_tag_set", "nvme_probe", "local_pci_probe"], "device"),
        (["ata_host_alloc", "ahci_init_one", "local_pci_probe", "really_probe"], "device"),
        (["raid6_select_algo", "do_one_initcall"], "device"),
        (["page_pool_create", "mlx5e_open_rq", "__dev_open"], "device"),
        (["dm_submit_bio", "submit_bio_noacct"], "storage"),
        (["blk_mq_submit_bio", "submit_bio"], "storage"),
    ],
)
def test_a_name_alike_is_not_taken_for_another_purpose(functions: list[str], name: str | None) -> None:
    purpose = purpose_of(_frames(*functions), 0)
    assert (purpose.name if purpose else None) == name


def test_one_page_has_no_smaller_request_to_fall_back_to() -> None:
    purpose = purpose_of(_frames("skb_page_frag_refill", "tcp_sendmsg_locked"), 0)
    assert purpose is None or purpose.name != "page-fragment"


def test_the_innermost_frame_decides_since_an_interrupt_lies_on_top_of_what_it_interrupted() -> None:
    frames = _frames("virtnet_poll", "net_rx_action", "ext4_file_write_iter", "ksys_write")
    purpose = purpose_of(frames, 0)
    assert purpose is not None and purpose.name == "receive" and purpose.frame.function == "net_rx_action"


def test_an_unknown_path_is_not_judged() -> None:
    assert purpose_of(_frames("exhaust", "crash_write", "ksys_write"), 0) is None


@pytest.mark.parametrize(
    ("mask", "release", "lightly"),
    [
        (0x92880, "6.12", True),  # GFP_KERNEL as mempool_alloc() tries it first
        (0x92A20, "5.10", True),
        (0xCC0, "6.12", False),
        (0x820, "6.12", False),
    ],
)
def test_a_mask_says_whether_its_caller_has_a_way_out(mask: int, release: str, lightly: bool) -> None:
    assert gives_up_lightly(decode(mask, release=release)) == lightly

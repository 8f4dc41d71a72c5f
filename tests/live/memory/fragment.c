// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fragment the memory of a machine: take all of it page by page, keep those whose frame number `step` divides
 * and free the others. No free block is then larger than `step` pages, and no compaction can mend it, for what
 * is kept cannot move. With a step of 0 memory is left as it is. N written to /sys/module/fragment/parameters/ask
 * asks for `blocks` blocks of order N in one go and gives them back.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>

static unsigned int step = 2;
module_param(step, uint, 0444);
static unsigned int blocks = 64;
module_param(blocks, uint, 0444);

static LIST_HEAD(kept);

static void take(gfp_t zone, struct list_head *taken)
{
	struct page *page;

	/* Below the watermarks too: what is left would be large blocks. */
	while ((page = alloc_page(zone | GFP_ATOMIC | __GFP_NOWARN)))
		list_add(&page->lru, taken);
}

static void free_all(struct list_head *pages, unsigned int order)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_pages(page, order);
	}
}

static int ask(const char *value, const struct kernel_param *param)
{
	LIST_HEAD(got);
	struct page *page;
	unsigned int order, i, count = 0;

	if (kstrtouint(value, 0, &order) || order > 10)
		return -EINVAL;
	for (i = 0; i < blocks; i++) {
		page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, order);
		if (!page)
			continue;
		list_add(&page->lru, &got);
		count++;
	}
	free_all(&got, order);
	pr_info("fragment: %u of %u blocks of order %u\n", count, blocks, order);
	return 0;
}

static const struct kernel_param_ops ask_ops = { .set = ask };
module_param_cb(ask, &ask_ops, NULL, 0200);

static int __init fragment_init(void)
{
	struct page *page, *next;
	LIST_HEAD(taken);

	if (!step)
		return 0;
	take(0, &taken);
	take(GFP_DMA, &taken);
	list_for_each_entry_safe(page, next, &taken, lru)
		if (page_to_pfn(page) % step == 0)
			list_move(&page->lru, &kept);
	free_all(&taken, 0);
	return 0;
}

static void __exit fragment_exit(void)
{
	free_all(&kept, 0);
}

module_init(fragment_init);
module_exit(fragment_exit);
MODULE_DESCRIPTION("keeps every second page");
MODULE_LICENSE("GPL");

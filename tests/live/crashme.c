// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ground-truth crash generator. Marks: FAULT:<scenario> the faulting line, CALL:<scenario>.n its
 * callers outwards, SEEN:<scenario> the line of the innermost frame of this module that a trace can
 * show, LOST:<scenario> a caller that a tail call removes from every trace.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <linux/slab.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/delay.h>
#include <linux/spinlock.h>
#include <linux/kthread.h>
#include <linux/nodemask.h>

struct widget { int id; struct widget *next; u64 pad[14]; int value; };
struct widget_ops { int (*poke)(struct widget *w, int n); };

static DEFINE_SPINLOCK(lock);
static int sink;

static __always_inline int widget_value(struct widget *w)
{
	return READ_ONCE(w->value);			/* FAULT:null */
}

static inline int widget_chain(struct widget *w, int n)
{
	int sum = 0;

	while (n-- > 0)
		sum += widget_value(w->next);		/* CALL:null.1 */
	return sum;
}

static noinline int poke_null(struct widget *w, int n)
{
	return widget_chain(w, n) + 1;			/* CALL:null.2 */
}

static const struct widget_ops ops = { .poke = poke_null };

static noinline int do_null(int n)
{
	struct widget w = { .id = n };
	const struct widget_ops *o = &ops;

	OPTIMIZER_HIDE_VAR(o);
	return o->poke(&w, n) + 2;			/* CALL:null.3 */
}

static noinline void do_gpf(void)
{
	struct widget *w = (void *)0x6b6b6b6b6b6b6b6bUL;

	OPTIMIZER_HIDE_VAR(w);
	sink += widget_value(w);			/* FAULT:gpf */
}

static __always_inline void check_widget(struct widget *w)
{
	BUG_ON(w->id > 3);				/* FAULT:bug */
}

static noinline void do_bug(int n)
{
	struct widget w = { .id = n + 4 };

	OPTIMIZER_HIDE_VAR(w.id);
	check_widget(&w);
	sink += w.id;
}

static noinline void do_warn(int n)
{
	WARN(n > 0, "crashme: widget %d is out of shape\n", n);	/* FAULT:warn */
	sink++;
}

static noinline void do_divide(int n)
{
	int z = 0;

	OPTIMIZER_HIDE_VAR(z);
	sink = (n + 7) / z;				/* FAULT:divide */
}

static noinline struct page *grab(gfp_t gfp, unsigned int order)
{
	return alloc_pages(gfp, order);			/* LOST:alloc */
}

static noinline void exhaust(gfp_t gfp, unsigned int order)
{
	LIST_HEAD(pages);
	struct page *p, *t;
	unsigned long n = 0;

	while ((p = grab(gfp, order))) {			/* SEEN:alloc */
		list_add(&p->lru, &pages);
		n++;
	}
	pr_info("crashme: %lu blocks of order %u before failure\n", n, order);
	list_for_each_entry_safe(p, t, &pages, lru) {
		list_del(&p->lru);
		__free_pages(p, order);
	}
}

static noinline void do_list(void)
{
	struct { struct list_head a, b; } x;

	INIT_LIST_HEAD(&x.a);
	list_add(&x.b, &x.a);
	x.a.next = LIST_POISON1;
	OPTIMIZER_HIDE_VAR(x.a.next);
	list_del(&x.b);					/* FAULT:list */
}

static noinline void do_refcount(void)
{
	refcount_t r = REFCOUNT_INIT(0);

	refcount_inc(&r);				/* FAULT:refcount */
	sink += refcount_read(&r);
}

static noinline void do_atomic_sleep(void)
{
	spin_lock(&lock);
	msleep(5);					/* FAULT:atomicsleep */
	spin_unlock(&lock);
}

static noinline void do_softlockup(void)
{
	unsigned long end = jiffies + 40 * HZ;

	preempt_disable();
	while (time_before(jiffies, end)) cpu_relax();	/* FAULT:softlockup */

	preempt_enable();
}

static noinline void do_rcustall(void)
{
	unsigned long end = jiffies + 40 * HZ;

	rcu_read_lock();
	while (time_before(jiffies, end)) cpu_relax();	/* FAULT:rcustall */

	rcu_read_unlock();
}

static noinline void do_hung(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(60 * HZ);			/* LOST:hung */
}

/*
 * On one line, so that the mark holds whichever instruction is caught. Where the stack begins decides
 * which one meets its guard page first: the call, the stack protector's store or the write. In the two
 * loops above a timer interrupts any instruction.
 */

static noinline int recurse(int n) { volatile char buf[512]; buf[n & 511] = n; return recurse(n + 1) + buf[(n + 1) & 511]; } /* FAULT:overflow */

static noinline void do_jump(void)
{
	void (*f)(void) = NULL;

	OPTIMIZER_HIDE_VAR(f);
	f();						/* CALL:jump */
	sink++;
}

static ssize_t crash_write(struct file *f, const char __user *u, size_t len, loff_t *off)
{
	char b[32] = { };

	if (copy_from_user(b, u, min(len, sizeof(b) - 1)))
		return -EFAULT;
	strim(b);
	if (!strcmp(b, "null")) sink += do_null(3);
	else if (!strcmp(b, "gpf")) do_gpf();
	else if (!strcmp(b, "bug")) do_bug(len);
	else if (!strcmp(b, "warn")) do_warn(len);
	else if (!strcmp(b, "divide")) do_divide(len);
	else if (!strcmp(b, "atomic0")) exhaust(GFP_ATOMIC, 0);
	else if (!strcmp(b, "atomic4")) exhaust(GFP_ATOMIC, 4);
	else if (!strcmp(b, "order9")) exhaust(GFP_KERNEL | __GFP_NORETRY, 9);
	else if (!strcmp(b, "dma")) exhaust(GFP_ATOMIC | GFP_DMA, 0);
	else if (!strcmp(b, "thisnode")) exhaust(GFP_ATOMIC | __GFP_THISNODE, 0);
	else if (!strcmp(b, "list")) do_list();
	else if (!strcmp(b, "refcount")) do_refcount();
	else if (!strcmp(b, "atomicsleep")) do_atomic_sleep();
	else if (!strcmp(b, "softlockup")) do_softlockup();
	else if (!strcmp(b, "rcustall")) do_rcustall();
	else if (!strcmp(b, "hung")) do_hung();		/* SEEN:hung */
	else if (!strcmp(b, "overflow")) sink += recurse(1);
	else if (!strcmp(b, "jump")) do_jump();
	else return -EINVAL;
	return len;
}

static const struct proc_ops pops = { .proc_write = crash_write };
static int __init crashme_init(void) { return proc_create("crashme", 0200, NULL, &pops) ? 0 : -ENOMEM; }
static void __exit crashme_exit(void) { remove_proc_entry("crashme", NULL); }
module_init(crashme_init);
module_exit(crashme_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("ground-truth crash generator");

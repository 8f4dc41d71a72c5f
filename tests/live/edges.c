// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ground truth for edges: every way in which one function of a stack trace gets to the next.
 *
 *   EDGE:SCENARIO CALLER CALLEE VERDICT [via HOP,HOP | maybe TABLE.MEMBER,TABLE.MEMBER]
 *
 * says how CALLER got to CALLEE, the next frame above it, in the trace that SCENARIO prints; where CALLER is of
 * this module, in the line of the mark. CALLEE `-` stands for none: the frame only lies on the stack, or is the
 * innermost. Hops are functions that the trace lacks, or for `indirect` the table that holds CALLEE: the one
 * used, or those that could be. `a|b` is one or the other, `EDGE@6.12:` a mark for that series alone. Names are
 * those of the log; one without a dot stands for its clones too.
 */
#include <linux/completion.h>
#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/proc_fs.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

/* A function that the compiler takes as it stands: not inlined, cloned, merged or seen through. */
#define plain static noinline __attribute__((noipa))

static int sink;

/* --- direct: the others are variations of this ------------------------------------------------------ */

plain int direct_end(int n)
{
	dump_stack();					/* EDGE:direct direct_end dump_stack_lvl tail-call via dump_stack */
	return sink + n;
}

plain int direct_top(int n)
{
	return direct_end(n + 1) + 2;			/* EDGE:direct direct_top direct_end direct */
}

/*
 * The way into this module, the same for every scenario that runs in the caller's task:
 * EDGE:direct dump_stack_lvl - reporter
 * EDGE:direct vfs_write proc_reg_write indirect maybe proc_reg_file_ops.write
 * EDGE:direct do_syscall_64 ksys_write tail-call via x64_sys_call,__x64_sys_write
 * EDGE:direct entry_SYSCALL_64_after_hwframe do_syscall_64 direct
 */

/* --- warn: an event with registers; what reports stands in the trace with question marks -------------- */

plain int warn_end(int n)
{
	WARN(n > 0, "edges: warn\n");
	return sink + n;
}

plain int warn_top(int n)
{
	return warn_end(n + 3) + 4;			/* EDGE:warn warn_top warn_end direct */
}

/* --- inlined: the call stands in a function that is part of its caller ---------------------------------- */

plain int inlined_end(int n)
{
	dump_stack();
	return sink + n;
}

static __always_inline int inlined_middle(int n)
{
	return inlined_end(n * 3) + 5;			/* EDGE:inlined inlined_top inlined_end inlined */
}

plain int inlined_top(int n)
{
	return inlined_middle(n + 1) * 2;
}

/* --- tail calls, one to three deep, and two ways to one place ---------------------------------------------- */

plain int tail1_end(int n)
{
	dump_stack();
	return sink + n;
}

plain int tail1_a(int n)
{
	return tail1_end(n + 1);
}

plain int tail1_top(int n)
{
	return tail1_a(n) + 1;				/* EDGE:tail1 tail1_top tail1_end tail-call via tail1_a */
}

plain int tail2_end(int n)
{
	dump_stack();
	return sink + n;
}

plain int tail2_b(int n)
{
	return n > 9 ? n : tail2_end(n + 1);		/* behind a condition */
}

plain int tail2_a(int n)
{
	return tail2_b(n + 2);
}

plain int tail2_top(int n)
{
	return tail2_a(n) + 1;				/* EDGE:tail2 tail2_top tail2_end tail-call via tail2_a,tail2_b */
}

plain int tail3_end(int n)
{
	dump_stack();
	return sink + n;
}

plain int tail3_c(int n)
{
	return tail3_end(n + 1);
}

plain int tail3_b(int n)
{
	return tail3_c(n + 2);
}

plain int tail3_a(int n)
{
	return tail3_b(n + 3);
}

plain int tail3_top(int n)
{
	return tail3_a(n) + 1;				/* EDGE:tail3 tail3_top tail3_end tail-call via tail3_a,tail3_b,tail3_c */
}

plain int fork_end(int n)
{
	dump_stack();
	return sink + n;
}

plain int fork_left(int n)
{
	return fork_end(n + 1);
}

plain int fork_right(int n)
{
	return fork_end(n + 2);
}

plain int fork_a(int n)
{
	return READ_ONCE(sink) & 1 ? fork_left(n) : fork_right(n);
}

plain int fork_top(int n)
{
	return fork_a(n) + 1;				/* EDGE:fork fork_top fork_end tail-call */
}

/* --- calls through pointers ----------------------------------------------------------------------------- */

struct edges_ops { int (*prepare)(int n); int (*run)(int n); int (*finish)(int n); };

plain int table_prepare(int n)
{
	return sink + n;
}

plain int table_end(int n)
{
	dump_stack();
	return sink + n;
}

static const struct edges_ops table_ops = { .prepare = table_prepare, .run = table_end };

plain int table_top(const struct edges_ops *o, int n)
{
	return o->run(n + 1) + o->prepare(n);		/* EDGE:table table_top table_end indirect via table_ops.run */
}

static int table_start(int n)
{
	return table_top(&table_ops, n) + 1;
}

/* Two tables of one type hold it at the same member: which one was used cannot be known. */
plain int tables_end(int n)
{
	dump_stack();
	return sink + n;
}

static const struct edges_ops tables_first = { .prepare = table_prepare, .finish = tables_end };
static const struct edges_ops tables_second = { .finish = tables_end };

plain int tables_top(const struct edges_ops *o, int n)
{
	return o->finish(n + 1) + 1;			/* EDGE:tables tables_top tables_end indirect maybe tables_first.finish,tables_second.finish */
}

static int tables_start(int n)
{
	return tables_top(n & 1 ? &tables_first : &tables_second, n) + 1;
}

plain int array_first(int n)
{
	return sink - n;
}

plain int array_end(int n)
{
	dump_stack();
	return sink + n;
}

static int (*const array_steps[])(int n) = { array_first, array_end, table_prepare };

plain int array_top(int n)
{
	return array_steps[n & 1](n) + 1;		/* EDGE:array array_top array_end indirect */
}

/* A jump through a table: the function that jumps is in no trace. */
plain int jump_end(int n)
{
	dump_stack();
	return sink + n;
}

static const struct edges_ops jump_ops = { .run = jump_end };

plain int jump_a(const struct edges_ops *o, int n)
{
	return o->run(n + 1);
}

plain int jump_top(int n)
{
	const struct edges_ops *o = &jump_ops;

	OPTIMIZER_HIDE_VAR(o);
	return jump_a(o, n) + 1;			/* EDGE:jump jump_top jump_end tail-call via jump_a */
}

/* --- static calls: the file knows the default alone ---------------------------------------------------- */

plain int static_default(int n)
{
	dump_stack();
	return sink + n;
}

plain int static_other(int n)
{
	dump_stack();
	return sink - n;
}

DEFINE_STATIC_CALL(edges_static, static_default);
DEFINE_STATIC_CALL(edges_updated, static_default);

plain int static_top(int n)
{
	return static_call(edges_static)(n) + 1;	/* EDGE:static static_top static_default direct|indirect */
}

plain int updated_top(int n)
{
	return static_call(edges_updated)(n) + 1;	/* EDGE:updated updated_top static_other indirect|unknown */
}

static int updated_start(int n)
{
	static_call_update(edges_updated, static_other);
	return updated_top(n) + 1;
}

/* --- recursion ------------------------------------------------------------------------------------------- */

plain int recursion_again(int n)
{
	int m = n;

	if (n < 3) {
		m += recursion_again(n + 1);		/* EDGE:recursion recursion_again recursion_again direct */
		OPTIMIZER_HIDE_VAR(m);			/* no loop in disguise */
		return m;
	}
	dump_stack();
	return sink + m;
}

plain int recursion_top(int n)
{
	return recursion_again(n) + 1;			/* EDGE:recursion recursion_top recursion_again direct */
}

/* --- clones and aliases -------------------------------------------------------------------------------- */

static noinline __cold int cold_end(int n)
{
	dump_stack();
	return sink + n;
}

static noinline int cold_top(int n)
{
	if (n > 0) {
		sink += 3;
		n = cold_end(n + sink) + 1;		/* EDGE:cold cold_top cold_end direct */
		sink += cold_end(n);			/* EDGE:cold cold_top cold_end direct */
	}
	return sink * n;
}

plain int cold_start(int n)
{
	return cold_top(n) + cold_top(-n);		/* EDGE:cold cold_start cold_top direct */
}

static noinline int constprop_end(int n, int factor)
{
	dump_stack();
	return sink + n * factor;
}

plain int constprop_top(int n)
{
	return constprop_end(n, 7) + 1;			/* EDGE:constprop constprop_top constprop_end.constprop.0 direct */
}

struct pair { int first, second; };

static noinline int isra_end(const struct pair *pair)
{
	int n = pair->second;

	dump_stack();
	return sink + n;
}

plain int isra_top(int n)
{
	struct pair pair = { n, n + 1 };

	OPTIMIZER_HIDE_VAR(pair.second);
	return isra_end(&pair) + 1;			/* EDGE:isra isra_top isra_end.isra.0 direct */
}

plain int alias_end(int n)
{
	dump_stack();
	return sink + n;
}

static int alias_name(int n) __attribute__((alias("alias_end")));

plain int alias_top(int n)
{
	return alias_name(n) + 1;			/* EDGE:alias alias_top alias_end|alias_name direct */
}

/* --- an interrupt on top of a system call, and a call from another processor ------------------------------ */

static int is_over;

plain int irq_end(int n)
{
	dump_stack();
	WRITE_ONCE(is_over, 1);
	return n;
}

static enum hrtimer_restart irq_timer(struct hrtimer *timer)
{
	sink += irq_end(1);				/* EDGE:irq irq_timer irq_end direct */
	return HRTIMER_NORESTART;
}

plain int irq_top(int n)
{
	struct hrtimer timer;

	WRITE_ONCE(is_over, 0);
	hrtimer_init_on_stack(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer.function = irq_timer;
	hrtimer_start(&timer, ms_to_ktime(50), HRTIMER_MODE_REL_HARD);
	while (!READ_ONCE(is_over)) cpu_relax();	/* EDGE:irq irq_top asm_sysvec_apic_timer_interrupt exception */

	hrtimer_cancel(&timer);
	destroy_hrtimer_on_stack(&timer);
	return n;
}

/*
 * EDGE:irq __hrtimer_run_queues irq_timer indirect
 * EDGE:irq hrtimer_interrupt __hrtimer_run_queues direct
 */

static void ipi_end(void *n)
{
	dump_stack();
	sink += *(int *)n;
}

static int ipi_top(int n)
{
	int here = get_cpu(), cpu;

	for_each_online_cpu(cpu)
		if (cpu != here)
			smp_call_function_single(cpu, ipi_end, &n, 1);
	put_cpu();
	return n;
}

/* EDGE:ipi __flush_smp_call_function_queue ipi_end indirect */

/* --- work and threads: the trace ends where the thread began ----------------------------------------------- */

static void work_end(struct work_struct *work)
{
	dump_stack();
	sink++;
}

static DECLARE_WORK(edges_work, work_end);

static int work_top(int n)
{
	schedule_work(&edges_work);
	flush_work(&edges_work);
	return n;
}

/*
 * EDGE:work process_one_work work_end indirect
 * EDGE:work worker_thread process_one_work direct|inlined
 * EDGE:work kthread worker_thread indirect
 * EDGE:work ret_from_fork kthread indirect
 */

static DECLARE_COMPLETION(thread_is_over);

plain int thread_end(int n)
{
	dump_stack();
	return sink + n;
}

static int thread_main(void *data)
{
	sink += thread_end(*(int *)data);		/* EDGE:thread thread_main thread_end direct */
	complete(&thread_is_over);
	return 0;
}

static int run_thread(int (*main)(void *), int *n)
{
	reinit_completion(&thread_is_over);
	if (!IS_ERR(kthread_run(main, n, "edges")))
		wait_for_completion(&thread_is_over);
	return *n;
}

static int thread_top(int n)
{
	return run_thread(thread_main, &n);
}

/* EDGE:thread kthread thread_main indirect */

/* --- a callee that never returns ends its caller: the return address is that of the next function --------- */

plain __cold __noreturn void noreturn_end(int n)
{
	dump_stack();
	sink += n;
	kthread_complete_and_exit(&thread_is_over, 0);
}

plain __cold __noreturn void noreturn_top(int n)
{
	sink++;
	asm volatile(".balign 16\n\t.skip 11, 0x90" : "+D" (n));	/* so that the call ends where nothing pads */
	noreturn_end(n);				/* EDGE:noreturn noreturn_top noreturn_end direct */
}

plain __cold int noreturn_next(int n)
{
	return sink * n;
}

static int noreturn_main(void *data)
{
	if (*(int *)data > 0)
		noreturn_top(*(int *)data + 1);		/* EDGE:noreturn noreturn_main noreturn_top direct */
	return noreturn_next(1);
}

static int noreturn_start(int n)
{
	return run_thread(noreturn_main, &n);
}

/* --- probes and traces ------------------------------------------------------------------------------------ */

plain int probe_end(int n)
{
	dump_stack();
	return n;
}

/* At its first byte, where ftrace has its place. */
plain int kprobe_target(int n)
{
	return sink + n * 5;
}

plain int kprobe_top(int n)
{
	return kprobe_target(n) + 1;			/* EDGE:kprobe kprobe_top kprobe_target direct */
}

static int kprobe_handler(struct kprobe *p, struct pt_regs *regs)
{
	sink += probe_end(1);				/* EDGE:kprobe kprobe_handler probe_end direct */
	return 0;					/* and in the scenario int3, not marked again */
}

static int kprobe_start(int n)
{
	struct kprobe probe = { .addr = (void *)kprobe_target, .pre_handler = kprobe_handler };

	if (register_kprobe(&probe))
		return -EIO;
	n = kprobe_top(n) + 1;
	unregister_kprobe(&probe);
	return n;
}

/* EDGE:kprobe kprobe_ftrace_handler kprobe_handler indirect */

/* In its middle, by a trap; a probe with a handler for afterwards is not made a jump. */
extern const unsigned long edges_int3_place;

plain int int3_target(int n)
{
	asm volatile("1: " ANNOTATE_NOENDBR " nop\n"
		     ".pushsection .rodata\n\t.balign 8\nedges_int3_place: .quad 1b\n.popsection");
	return sink + n * 6;				/* EDGE:int3 int3_target asm_exc_int3 exception */
}

plain int int3_top(int n)
{
	return int3_target(n) + 1;			/* EDGE:int3 int3_top int3_target direct */
}

static void int3_after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
	sink++;
}

static int int3_start(int n)
{
	struct kprobe probe = {
		.addr = (void *)edges_int3_place, .pre_handler = kprobe_handler, .post_handler = int3_after
	};

	if (register_kprobe(&probe))
		return -EIO;
	n = int3_top(n) + 1;
	unregister_kprobe(&probe);
	return n;
}

/*
 * Its return address on the stack is that of a trampoline while it runs, so this call is in no trace:
 * EDGE:kretprobe trace_clock_x86_tsc kretprobe_end unknown|tail-call
 */
plain int kretprobe_end(int n)
{
	dump_stack();
	return sink + n;
}

plain int kretprobe_top(int n)
{
	return kretprobe_end(n) + 1;			/* the trace has the trampoline's start in its place */
}

static int kretprobe_handler(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	sink++;
	return 0;
}

static int kretprobe_start(int n)
{
	struct kretprobe probe = {
		.kp.addr = (void *)kretprobe_end, .handler = kretprobe_handler, .maxactive = 4
	};

	if (register_kretprobe(&probe))
		return -EIO;
	n = kretprobe_top(n) + 1;
	unregister_kretprobe(&probe);
	return n;
}

/* The tracer's own trace: between it and what it traces stands a trampoline made at run time. */
plain int ftrace_target(int n)
{
	return sink + n * 7;
}

plain int ftrace_top(int n)
{
	return ftrace_target(n) + 1;			/* EDGE:ftrace ftrace_top ftrace_target direct */
}

static void notrace ftrace_tracer(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
				  struct ftrace_regs *regs)
{
	sink += probe_end(2);				/* EDGE:ftrace ftrace_tracer probe_end direct */
}

static struct ftrace_ops ftrace_ops = { .func = ftrace_tracer };

static int ftrace_start(int n)
{
	if (ftrace_set_filter_ip(&ftrace_ops, (unsigned long)ftrace_target, 0, 0) ||
	    register_ftrace_function(&ftrace_ops))
		return -EIO;
	n = ftrace_top(n) + 1;
	unregister_ftrace_function(&ftrace_ops);
	return n;
}

/* --- what only lies on the stack ---------------------------------------------------------------------------- */

extern const unsigned long edges_pointer_place;

plain __used int pointer_middle(int n)
{
	asm volatile("nop\n1: " ANNOTATE_NOENDBR " nop\n"
		     ".pushsection .rodata\n\t.balign 8\nedges_pointer_place: .quad 1b\n.popsection");
	return sink + n * 8;
}

plain int pointer_function(int n)
{
	return sink + n * 9;
}

plain int pointer_top(int n)
{
	unsigned long volatile left[4] = { (unsigned long)pointer_function, edges_pointer_place };

	dump_stack();					/* EDGE:pointer pointer_top dump_stack_lvl tail-call via dump_stack */
	return left[0] + n;
}

/*
 * EDGE:pointer pointer_middle - not-a-call
 * EDGE@6.12:pointer __pfx_pointer_function - not-a-call
 * EDGE@6.1:pointer ftrace_top - not-a-call		what stands in front of it: the log names the byte before
 */

plain int stale_deepest(int n)
{
	return sink + n;
}

plain int stale_deeper(int n)
{
	int volatile pad[4] = { n };

	return stale_deepest(pad[0] + 1) + 1;
}

plain int stale_deep(int n)
{
	int volatile pad[16] = { n };

	return stale_deeper(pad[0] + 1) + 1;
}

plain int stale_end(int n)
{
	long volatile left[48] __attribute__((uninitialized));

	left[0] = n;
	dump_stack();
	return left[0];
}

plain int stale_top(int n)
{
	unsigned long flags;

	local_irq_save(flags);				/* an interrupt's registers would lie on top */
	n = stale_deep(n);
	n = stale_end(n);				/* EDGE:stale stale_top stale_end direct */
	local_irq_restore(flags);
	return n;
}

/*
 * EDGE:stale stale_deep - stale
 * EDGE:stale stale_deeper - stale
 */

/* --- the way in -------------------------------------------------------------------------------------------- */

static const struct scenario { const char *name; int (*run)(int n); } scenarios[] = {
	{ "direct", direct_top }, { "warn", warn_top }, { "inlined", inlined_top },
	{ "tail1", tail1_top }, { "tail2", tail2_top }, { "tail3", tail3_top }, { "fork", fork_top },
	{ "table", table_start }, { "tables", tables_start }, { "array", array_top }, { "jump", jump_top },
	{ "static", static_top }, { "updated", updated_start }, { "recursion", recursion_top },
	{ "cold", cold_start }, { "constprop", constprop_top }, { "isra", isra_top }, { "alias", alias_top },
	{ "irq", irq_top }, { "ipi", ipi_top }, { "work", work_top }, { "thread", thread_top },
	{ "noreturn", noreturn_start }, { "kprobe", kprobe_start }, { "int3", int3_start },
	{ "kretprobe", kretprobe_start }, { "ftrace", ftrace_start },
	{ "pointer", pointer_top }, { "stale", stale_top },
};

static ssize_t edges_write(struct file *file, const char __user *text, size_t len, loff_t *off)
{
	char name[32] = { };
	int i, said = 0;

	if (copy_from_user(name, text, min(len, sizeof(name) - 1)))
		return -EFAULT;
	strim(name);
	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		if (!strcmp(name, scenarios[i].name)) {
			pr_info("edges: %s\n", name);
			said = scenarios[i].run(1);	/* EDGE:direct edges_write direct_top indirect */
			pr_info("edges: end of %s, %d\n", name, said);
		}
	return said == -EIO ? said : len;
}

/* EDGE:direct proc_reg_write edges_write indirect via edges_proc_ops.proc_write */

static ssize_t edges_read(struct file *file, char __user *to, size_t len, loff_t *off)
{
	char names[512];
	size_t i, end = 0;

	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		end += scnprintf(names + end, sizeof(names) - end, "%s\n", scenarios[i].name);
	return simple_read_from_buffer(to, len, off, names, end);
}

static const struct proc_ops edges_proc_ops = { .proc_read = edges_read, .proc_write = edges_write };
static int __init edges_init(void) { return proc_create("edges", 0600, NULL, &edges_proc_ops) ? 0 : -ENOMEM; }
static void __exit edges_exit(void) { remove_proc_entry("edges", NULL); }
module_init(edges_init);
module_exit(edges_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("ground truth for the edges of stack traces");

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Use memory in one way, until killed where nothing else is said. `press bind 0 hold 300` and so on:
 *
 *   bind NODE | prefer NODE    the memory policy for what follows
 *   small                      no transparent hugepages in what follows
 *   hold MB                    touch it and sleep
 *   touch MB                   touch it and end
 *   churn MB                   touch it, then write its pages in random order
 *   huge MB                    map it, touch it a hugepage at a time, unmap it, again and again
 *   run COMMAND...             become it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define MPOL_PREFERRED 1
#define MPOL_BIND 2

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void set_policy(int mode, const char *node)
{
	unsigned long mask = 1UL << atoi(node);

	if (syscall(SYS_set_mempolicy, mode, &mask, 8 * sizeof(mask)))
		fail("set_mempolicy");
}

static volatile char *map(size_t bytes)
{
	char *at = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		fail("mmap");
	return (char *)(((size_t)at + HUGE - 1) & ~(HUGE - 1));
}

static volatile char *touch(size_t bytes)
{
	volatile char *at = map(bytes);

	for (size_t i = 0; i < bytes; i += PAGE)
		at[i] = 1;
	return at;
}

static void churn(size_t bytes)
{
	volatile char *at = touch(bytes);
	unsigned long long seed = 1;

	for (;;) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		at[(seed >> 33) % (bytes / PAGE) * PAGE]++;
	}
}

static void huge(size_t bytes)
{
	for (;;) {
		volatile char *at = map(bytes);

		for (size_t i = 0; i < bytes; i += HUGE)
			at[i] = 1;
		/* All of the mapping but what lies in front of the first boundary; a few pages a round are no matter. */
		munmap((void *)at, bytes);
		usleep(50000);
	}
}

static void use(const char *how, size_t bytes)
{
	if (!strcmp(how, "churn"))
		churn(bytes);
	if (!strcmp(how, "huge"))
		huge(bytes);
	touch(bytes);
	if (!strcmp(how, "hold"))
		pause();
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "small"))
			syscall(SYS_prctl, 41 /* PR_SET_THP_DISABLE */, 1, 0, 0, 0);
		else if (!strcmp(argv[i], "bind"))
			set_policy(MPOL_BIND, argv[++i]);
		else if (!strcmp(argv[i], "prefer"))
			set_policy(MPOL_PREFERRED, argv[++i]);
		else if (!strcmp(argv[i], "run"))
			return execvp(argv[i + 1], argv + i + 1);
		else
			use(argv[i], strtoul(argv[i + 1], NULL, 10) << 20), i++;
	}
	return 0;
}

# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TINY = """\
int volatile sink;

static inline __attribute__((always_inline)) void innermost(int how)
{
	sink = 10 / how;	/* line 5 */
}

static inline __attribute__((always_inline)) void middle(int how)
{
	innermost(how + 1);	/* line 10 */
}

__attribute__((noinline)) void outer(int how)
{
	middle(how + 2);	/* line 15 */
}

__attribute__((noinline, noreturn)) void never_returns(void)
{
	for (;;)
		sink = 1;
}

__attribute__((noinline)) int ends_in_a_call(void)
{
	never_returns();	/* line 26 */
}

__attribute__((noinline, section(".text.unlikely"))) int rare(int how)
{
	outer(how);	/* line 31 */
	return how * sink;
}

__attribute__((noinline, section(".init.text"))) int at_start(int how)
{
	outer(how);	/* line 37 */
	return how + sink;
}

int call_both(int how);
int last(int how)
{
	outer(how);	/* line 44 */
	return call_both(how) + rare(how) + ends_in_a_call();
}
"""

TWIN = """\
extern int volatile sink;

static __attribute__((noinline)) int twin(int how)
{
	return sink + how%s;
}

int call_%s(int how)
{
	return twin(how) + twin(how + 1);
}
"""


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with tiny.ko (as a module: relocatable, several text sections) and tiny (as a vmlinux)."""
    if shutil.which("gcc") is None or shutil.which("ld") is None:
        pytest.skip("gcc and ld are not installed, and the objects to decode are built here")
    top = tmp_path_factory.mktemp("objects")
    (top / "tiny.c").write_text(TINY)
    (top / "one.c").write_text(TWIN % ("", "both"))
    (top / "two.c").write_text(TWIN % (" * sink * sink - how / sink", "other"))
    (top / "three.c").write_text(TWIN % (" * sink * sink - how / sink", "third"))
    names = ("tiny", "one", "two", "three")
    for name in names:
        flags = ("-g", "-O2", "-fno-pic", "-fcf-protection=none", "-mcmodel=kernel", "-ffreestanding")
        _run(top, "gcc", *flags, "-c", f"{name}.c", "-o", f"{name}.o")
    objects = [f"{name}.o" for name in names]
    _run(top, "ld", "-r", "--build-id", "-o", "tiny.ko", *objects)
    _run(top, "ld", "-Ttext=0xffffffff81000000", "--build-id", "-e", "outer", "-o", "vmlinux", *objects)
    return top


def _run(top: Path, *command: str) -> None:
    subprocess.run(command, cwd=top, check=True, capture_output=True)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Which table a file of /proc has: the source below chooses as the kernel does."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from keepsane.model import Edge
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.edges.edges import judge_edges
from tests.symbols.calling import FLAGS, KERNEL_OF_LOG, event, frame, returns

pytest.importorskip("capstone")
pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")

SOURCE = """\
#define plain __attribute__((noipa))
struct file { const struct file_operations *f_op; const struct proc_ops *proc_ops; };
struct file_operations { int (*read)(struct file *); int (*write)(struct file *); };
struct proc_ops {
	int proc_flags;
	int (*proc_read_iter)(struct file *);
	int (*proc_write)(struct file *);
	int (*proc_compat_ioctl)(struct file *);
};
int volatile sink;

plain int proc_reg_write(struct file *file) { return file->proc_ops->proc_write(file) + 1; }
plain int vfs_write(struct file *file) { return file->f_op->write(file) + 1; }

static const struct file_operations proc_reg_file_ops = { .write = proc_reg_write };
static const struct file_operations proc_iter_file_ops = { .write = proc_reg_write };
static const struct file_operations proc_reg_file_ops_compat = { .write = proc_reg_write };
static const struct file_operations proc_iter_file_ops_compat = { .write = proc_reg_write };

plain void proc_get_inode(struct file *inode)
{
	inode->f_op = inode->proc_ops->proc_read_iter ? &proc_iter_file_ops : &proc_reg_file_ops;
	if (inode->proc_ops->proc_compat_ioctl)
		inode->f_op = inode->proc_ops->proc_read_iter
			? &proc_iter_file_ops_compat : &proc_reg_file_ops_compat;
}

plain int other(struct file *file) { return sink; }
plain int bare_write(struct file *file) { return sink + 1; }
plain int iter_write(struct file *file) { return sink + 2; }
plain int compat_write(struct file *file) { return sink + 3; }
plain int changed_write(struct file *file) { return sink + 4; }
plain int shared_write(struct file *file) { return sink + 5; }
const struct proc_ops bare = { .proc_write = bare_write };
const struct proc_ops iter = { .proc_write = iter_write, .proc_read_iter = other };
const struct proc_ops compat = { .proc_write = compat_write, .proc_compat_ioctl = other };
struct proc_ops changed = { .proc_write = changed_write };
const struct proc_ops shared = { .proc_write = shared_write };
const struct proc_ops shared_too = { .proc_write = shared_write };
"""
ALL = {f"proc_{kind}_file_ops{end}.write" for kind in ("reg", "iter") for end in ("", "_compat")}

Images = dict[str | None, Image]


def _built(top: Path, source: str) -> Images:
    if shutil.which("gcc") is None or shutil.which("objdump") is None:
        pytest.skip("gcc and objdump are not installed, and the code to judge is built here")
    (top / "proc.c").write_text(source)
    compile_it = ("gcc", *FLAGS, "-c", "proc.c", "-o", "proc.o")
    link_it = ("ld", "-Ttext=0xffffffff81000000", "-e", "vfs_write", "-o", "vmlinux", "proc.o")
    for command in (compile_it, link_it):
        subprocess.run(command, cwd=top, check=True, capture_output=True)
    return {None: open_image(top / "vmlinux")}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return _built(tmp_path_factory.mktemp("proc"), SOURCE)


def _edge(images: Images, written: str) -> Edge:
    """The edge of vfs_write() in the trace of a write to a file whose entry has that function."""
    callers = [frame(images, name, returns(images, name)[0]) for name in ("proc_reg_write", "vfs_write")]
    stack = event(replace(frame(images, written, 1), role="ip"), *callers)
    (judged,) = judge_edges([stack], images, KERNEL_OF_LOG)
    edge = judged.stacks[0].frames[-1].edge
    assert edge is not None and edge.verdict == "indirect"
    return edge


def _tables(edge: Edge, kind: str) -> set[str | None]:
    return {hop.name for hop in edge.via if hop.kind == kind}


def test_an_entry_with_neither_member_has_the_plain_table(images: Images) -> None:
    edge = _edge(images, "bare_write")
    assert _tables(edge, "table") == {"proc_reg_file_ops.write"} and len(edge.via) == 1
    assert edge.why == (
        "a call through file->f_op->write: proc_reg_file_ops.write is proc_reg_write, since bare has no "
        "proc_compat_ioctl or proc_read_iter, for which proc_get_inode() has other tables"
    )


@pytest.mark.parametrize("written", ["iter_write", "compat_write"])
def test_an_entry_with_a_member_could_have_either_table(images: Images, written: str) -> None:
    edge = _edge(images, written)
    assert _tables(edge, "possible table") == ALL and "could be" in edge.why


def test_operations_that_may_change_prove_nothing(images: Images) -> None:
    assert _tables(_edge(images, "changed_write"), "possible table") == ALL


def test_operations_that_are_not_surely_known_prove_nothing(images: Images) -> None:
    assert _tables(_edge(images, "shared_write"), "possible table") == ALL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Before 5.10 the plain name was that of the table for entries with a compat_ioctl.
        ("proc_iter_file_ops", "proc_reg_file_ops_no_compat"),
        # Before 5.6 an entry had a struct file_operations.
        ("struct proc_ops", "struct file_operations_of_entry"),
        ("proc_get_inode", "another_function"),
    ],
)
def test_another_kernels_tables_are_left_alone(tmp_path: Path, old: str, new: str) -> None:
    edge = _edge(_built(tmp_path, SOURCE.replace(old, new)), "bare_write")
    assert len(_tables(edge, "possible table")) == 4 and not _tables(edge, "table")

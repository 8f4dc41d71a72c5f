# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which table a file of /proc has, where the operations of its entry are known.

    vfs_write       calls file->f_op->write      one of four tables, each with proc_reg_write
    proc_reg_write  calls pde->proc_ops->proc_write      edges_proc_ops

The kernel gives three of those tables only to entries whose `struct proc_ops` has a certain member. Where the
one that was used further in is constant and has none of them, the fourth is left.

Source: fs/proc/inode.c, proc_get_inode(), and fs/proc/generic.c, pde_set_flags(). Recognised by the names of
the tables: before commit fd5a13f4893c ("proc: add a read_iter method to proc proc_ops", 5.10) there was a
`proc_reg_file_ops_no_compat`, and before 5.6 an entry had a `struct file_operations`. Not said the other way
round: between 654b33ada4ab ("proc: fix UAF in proc_get_inode()") and 2ce3d282bd50 ("proc: fix missing
pde_set_flags() for net proc files") an entry could have the member and not the table.
"""

from __future__ import annotations

from collections.abc import Sequence

from keepsane.symbols.calls.members import constant_offset, is_named_in
from keepsane.symbols.calls.objects import Variable, is_null_at
from keepsane.symbols.calls.tables import files_of
from keepsane.symbols.code.text import Function, Place, functions_named
from keepsane.symbols.edges.draft import Draft, DraftHop, Reader, any_of

_NEEDS = {
    "proc_reg_file_ops": frozenset[str](),
    "proc_iter_file_ops": frozenset({"proc_read_iter"}),
    "proc_reg_file_ops_compat": frozenset({"proc_compat_ioctl"}),
    "proc_iter_file_ops_compat": frozenset({"proc_read_iter", "proc_compat_ioctl"}),
}


def settle_proc_table(reader: Reader, outer: Draft, inner: Draft) -> Draft:
    """
    Name the table that `outer` read, where the `struct proc_ops` that `inner` read leaves only one.

    `inner` is the edge of the function that `outer` called. Given back as it is where nothing follows.
    """
    tables = _proc_tables(reader, outer)
    ops = next((hop.holder.variable for hop in inner.via[:1] if hop.kind == "table" and hop.holder), None)
    if not tables or ops is None:
        return outer
    missing = {name for table in tables for name in _NEEDS[table.name] if _has_no(reader, ops, name)}
    left = [hop for hop, table in zip(outer.via, tables, strict=True) if not missing & _NEEDS[table.name]]
    return _settled(outer, left[0], ops, missing) if len(left) == 1 else outer


def _settled(outer: Draft, hop: DraftHop, ops: Variable, missing: set[str]) -> Draft:
    members = any_of(sorted(missing))
    why = f"{ops.name} has no {members}, for which proc_get_inode() has other tables"
    form = f" ({outer.form})" if outer.form else ""
    said = f"{outer.through}: {hop.name} is {hop.function}, since {why}{form}"
    return outer._replace(via=(hop._replace(kind="table"),), why=said)


def _proc_tables(reader: Reader, outer: Draft) -> Sequence[Variable]:
    """The tables of /proc that a call could have read, empty where it could have read any other."""
    tables = [hop.holder.variable for hop in outer.via if hop.holder is not None]
    names = {table.name for table in tables}
    if not outer.through or len(tables) != len(outer.via) or not names <= _NEEDS.keys():
        return ()
    choosing = functions_named(reader.text, "proc_get_inode")
    are_meant = len(choosing) == 1 and all(_is_named_in(reader, choosing[0], table) for table in tables)
    return tables if are_meant else ()


def _is_named_in(reader: Reader, function: Function, table: Variable) -> bool:
    return is_named_in(reader.tables.types, function, table, lambda: files_of(reader.text, function))


def _has_no(reader: Reader, ops: Variable, member: str) -> bool:
    offset_bytes = constant_offset(reader.tables.types, ops, "proc_ops", member)
    return offset_bytes is not None and is_null_at(
        reader.tables.data, Place(ops.module, ops.address + offset_bytes)
    )

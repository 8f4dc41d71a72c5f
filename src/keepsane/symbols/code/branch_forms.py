# SPDX-License-Identifier: GPL-2.0-or-later
"""
The forms in which a branch, a lock or a switch runs that symbols/code/patch_tables.py says may be patched.

    call __x86_indirect_thunk_rax    ff d0 0f 1f 00      call *%rax
                                     0f ae e8 ff d0      lfence; call *%rax
    jmp  __x86_return_thunk          c3 cc cc cc cc      ret
    call __fentry__                  0f 1f 44 00 00      a nop, or a call to a tracer
    call *pv_ops+0x20(%rip)          e8 xx xx xx xx 90   a direct call, or `cli` and nops

Of the sites of control flow integrity and of the padding in front of functions nothing is said: FineIBT
changed its forms with nearly every version, so there any bytes may stand.

Source: arch/x86/kernel/alternative.c, patch_retpoline(), patch_return(), alternatives_smp_unlock(),
poison_endbr() (as of 6.12); arch/x86/kernel/callthunks.c, patch_call(); arch/x86/kernel/static_call.c,
__static_call_transform(); arch/x86/kernel/jump_label.c; arch/x86/kernel/ftrace.c;
arch/x86/kernel/paravirt.c and paravirt_patch.c (as of 6.1 and 5.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from keepsane.symbols.code.patch_tables import PatchSite
from keepsane.symbols.code.patched import (
    Content,
    Patched,
    branch_target_name,
    file_content,
    pointed,
    table_of,
)

_THUNK = "__x86_indirect_thunk_"
_REGISTERS = [
    "rax",
    "rcx",
    "rdx",
    "rbx",
    "rsp",
    "rbp",
    "rsi",
    "rdi",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
]
_CALL, _JUMP, _NOP, _INT3, _LFENCE = b"\xe8", b"\xe9", b"\x90", b"\xcc", b"\x0f\xae\xe8"
_CALL_PADDING_BYTES = 16
_RETURN = b"\xc3" + 4 * _INT3
_RETURN_0 = (b"\x2e\x2e\x2e\x31\xc0", b"\x66\x66\x48\x31\xc0")  # xor %eax,%eax; xor %rax,%rax up to 5.18
_WARN = b"\x67\x48\x0f\xb9\x3a"
_POISONED = (b"\x66\x0f\x1f\x00", b"\x0f\x1f\x40\xd6")  # the second since 6.15
_NATIVE = tuple(
    bytes.fromhex(code)
    for code in (
        "fa",  # cli
        "fb",  # sti
        "9c58",  # pushf; pop %rax
        "579d",  # push %rdi; popf
        "0f20d0",  # mov %cr2,%rax
        "0f20d8",  # mov %cr3,%rax
        "0f22df",  # mov %rdi,%cr3
        "0f09",  # wbinvd
        "0f01f8",  # swapgs
        "0f01f8480f07",  # swapgs; sysretq
        "48cf",  # iretq
        "4889f8",  # mov %rdi,%rax
        "c60700",  # movb $0,(%rdi)
        "31c0",  # xor %eax,%eax
    )
)

_Writer = Callable[[Patched, PatchSite, Content], Iterable[Content]]


def form_contents(patched: Patched, site: PatchSite) -> Iterator[Content] | None:
    """Give every content of a site of any table but the alternatives', None where it may be any."""
    if site.table.startswith("runtime_"):
        return iter([_open(bytes(site.size_bytes), 0)])
    write = _WRITERS.get(site.table)
    return None if write is None else _contents(patched, site, write)


def _contents(patched: Patched, site: PatchSite, write: _Writer) -> Iterator[Content]:
    file = file_content(patched, site.address, site.size_bytes)
    yield file
    for content in write(patched, site, file):
        yield content
        if site.table in _POKED:
            # Code that runs is changed behind a breakpoint on its first byte.
            yield content._replace(data=_INT3 + content.data[1:])


def _open(data: bytes, first: int, size_bytes: int | None = None) -> Content:
    """Bytes of which those from `first` on, `size_bytes` of them or all, are only known at run time."""
    last = len(data) if size_bytes is None else first + size_bytes
    return Content(data, frozenset(range(first, last)))


def _branch(opcode: bytes, size_bytes: int) -> Content:
    """A call or jump to anywhere, with nops behind it."""
    return _open((opcode + bytes(4)).ljust(size_bytes, _NOP), len(opcode), 4)


def _padded(code: bytes, size_bytes: int) -> Iterator[Content]:
    if len(code) <= size_bytes:
        yield Content(code.ljust(size_bytes, _NOP))


def _retpoline(patched: Patched, site: PatchSite, file: Content) -> Iterator[Content]:
    size_bytes, start = site.size_bytes, file.data.lstrip(b"\x2e")[:1]
    yield _open(file.data, size_bytes - 4)  # another thunk
    head = bytes([0x70 | file.data[1] & 0xF ^ 1, size_bytes - 2]) if start == b"\x0f" else b""
    for register in _thunk_registers(patched, site, file):
        for lfence in (b"", _LFENCE):
            code = head + lfence + _indirect(register, is_call=start == _CALL)
            yield from _padded(code, size_bytes)
            if start != _CALL:
                yield from _padded(code + _INT3, size_bytes)


def _thunk_registers(patched: Patched, site: PatchSite, file: Content) -> list[int]:
    name = (branch_target_name(patched, site, file) or "").removeprefix(_THUNK)
    # The first thunk shares its address with the name of the whole array.
    name = "rax" if name == "array" else name
    return [_REGISTERS.index(name)] if name in _REGISTERS else list(range(len(_REGISTERS)))


def _indirect(register: int, *, is_call: bool) -> bytes:
    prefix = b"\x41" if register >= 8 else b""
    return prefix + bytes([0xFF, (0xD0 if is_call else 0xE0) | register & 7])


def _return(_patched: Patched, site: PatchSite, file: Content) -> Iterator[Content]:
    yield _open(file.data, site.size_bytes - 4)  # another thunk
    yield Content(b"\xc3".ljust(site.size_bytes, _INT3))


def _counted_call(_patched: Patched, _site: PatchSite, file: Content) -> Iterator[Content]:
    """Call depth tracking moves a call to the padding in front of its target."""
    distance = int.from_bytes(file.data[-4:], "little")
    for more in range(1, _CALL_PADDING_BYTES + 1):
        moved = (distance - more) % (1 << 32)
        yield file._replace(data=file.data[:-4] + moved.to_bytes(4, "little"))


def _lock(_patched: Patched, _site: PatchSite, _file: Content) -> Iterator[Content]:
    yield Content(b"\xf0")
    yield Content(b"\x3e")


def _paravirtual(_patched: Patched, site: PatchSite, _file: Content) -> Iterator[Content]:
    for opcode in (_CALL, _JUMP):
        if site.size_bytes >= 5:
            yield _branch(opcode, site.size_bytes)
    for code in (b"", *_NATIVE):
        yield from _padded(code, site.size_bytes)


def _endbr(_patched: Patched, _site: PatchSite, _file: Content) -> Iterator[Content]:
    yield from map(Content, _POISONED)


def _traced(_patched: Patched, site: PatchSite, _file: Content) -> Iterator[Content]:
    yield Content(_NOP * site.size_bytes)
    yield _branch(_CALL, site.size_bytes)


def _jump_label(patched: Patched, site: PatchSite, file: Content) -> Iterator[Content]:
    yield Content(_NOP * site.size_bytes)
    table = table_of(patched, site)
    if table is None:
        return
    start, field_bytes = site.entry * table.form.entry_bytes, 4 if table.form.place == "distance" else 8
    target = pointed(patched, table, start + field_bytes, field_bytes)
    opcode = b"\xeb" if site.size_bytes == 2 else _JUMP
    if target is None:
        yield _open(opcode + bytes(site.size_bytes - 1), 1)
    else:
        size_bits = 8 * (site.size_bytes - 1)
        distance = (target - site.address - site.size_bytes) % (1 << size_bits)
        yield Content(opcode + distance.to_bytes(size_bits // 8, "little"))


def _static_call(_patched: Patched, site: PatchSite, file: Content) -> Iterator[Content]:
    yield _open(file.data, site.size_bytes - 4)
    if site.size_bytes != 5:
        return
    if file.data[:1] == _JUMP:
        yield Content(_RETURN)
    else:
        yield from map(Content, (_NOP * 5, *_RETURN_0, _WARN))


def _trampoline(_patched: Patched, _site: PatchSite, _file: Content) -> Iterator[Content]:
    yield _branch(_JUMP, 5)
    yield Content(_RETURN)


_POKED = frozenset({"__mcount_loc", "__jump_table", ".static_call_sites", "static call trampoline"})
_WRITERS: dict[str, _Writer] = {
    ".parainstructions": _paravirtual,
    ".smp_locks": _lock,
    ".retpoline_sites": _retpoline,
    ".return_sites": _return,
    ".call_sites": _counted_call,
    ".ibt_endbr_seal": _endbr,
    "__mcount_loc": _traced,
    "__jump_table": _jump_label,
    ".static_call_sites": _static_call,
    "static call trampoline": _trampoline,
}

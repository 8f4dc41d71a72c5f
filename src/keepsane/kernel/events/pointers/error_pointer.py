# SPDX-License-Identifier: GPL-2.0-or-later
"""Error codes that were used as pointers (include/linux/err.h)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import rule
from keepsane.kernel.events.oops import Oops
from keepsane.kernel.log.culprit import where
from keepsane.kernel.log.quote import quote_head, quote_register, some
from keepsane.kernel.log.trap_address import Pointer, address_bits, member_words, pointer_of
from keepsane.model import Event, Register
from keepsane.report import Finding

MAX_ERRNO = 4095
LAST_OF_USERS = 133
"""EHWPOISON: the last code that user space knows (asm-generic/errno.h)."""
ERRNO_NAMES = {
    1: "EPERM", 2: "ENOENT", 3: "ESRCH", 4: "EINTR", 5: "EIO", 6: "ENXIO", 7: "E2BIG", 9: "EBADF",
    10: "ECHILD", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 16: "EBUSY", 17: "EEXIST",
    18: "EXDEV", 19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL", 23: "ENFILE", 24: "EMFILE",
    26: "ETXTBSY", 27: "EFBIG", 28: "ENOSPC", 30: "EROFS", 34: "ERANGE", 36: "ENAMETOOLONG", 38: "ENOSYS",
    40: "ELOOP", 61: "ENODATA", 71: "EPROTO", 74: "EBADMSG", 75: "EOVERFLOW", 95: "EOPNOTSUPP",
    97: "EAFNOSUPPORT", 104: "ECONNRESET", 110: "ETIMEDOUT", 115: "EINPROGRESS", 116: "ESTALE",
    117: "EUCLEAN", 512: "ERESTARTSYS", 517: "EPROBE_DEFER", 524: "ENOTSUPP",
}  # fmt: skip
"""The codes kernel functions return most (asm-generic/errno-base.h, errno.h, linux/errno.h)."""
RARE_ERRNO_NAMES = {
    8: "ENOEXEC", 15: "ENOTBLK", 25: "ENOTTY", 29: "ESPIPE", 31: "EMLINK", 32: "EPIPE", 33: "EDOM",
    35: "EDEADLK", 37: "ENOLCK", 39: "ENOTEMPTY", 42: "ENOMSG", 62: "ETIME", 84: "EILSEQ", 90: "EMSGSIZE",
    98: "EADDRINUSE", 99: "EADDRNOTAVAIL", 100: "ENETDOWN", 101: "ENETUNREACH", 105: "ENOBUFS",
    107: "ENOTCONN", 108: "ESHUTDOWN", 111: "ECONNREFUSED", 113: "EHOSTUNREACH", 114: "EALREADY",
    121: "EREMOTEIO", 122: "EDQUOT", 123: "ENOMEDIUM", 125: "ECANCELED", 126: "ENOKEY", 127: "EKEYEXPIRED",
    129: "EKEYREJECTED", 132: "ERFKILL",
}  # fmt: skip
"""Named where a register is proven to hold one; no evidence by themselves, since -32 is an offset as well."""

_GENERAL = re.compile(r"[RE](?:[A-D]X|[SD]I|BP)|R(?:0?[89]|1[0-5])|[xr]\d{1,2}$")


@rule("error-pointer-dereferenced", on=Oops)
def error_pointer_dereferenced(event: Oops, *, offset_limit_bytes: int = 4096) -> Iterator[Finding]:
    """
    An error code may have been used as a pointer.

    What it means: many kernel functions return an error as a pointer, ERR_PTR(-2) is 0xfffffffffffffffe. Code
    that checks the result only against NULL, or not at all, then follows it.

    How we know: the address that faulted lies in the last 4095 bytes of the address space. Where the
    instruction is decoded, the register it followed is named; else one that holds an error code from which
    the address is a member's offset away.

    What to do: find the call whose result is followed, and check it with IS_ERR() or IS_ERR_OR_NULL().

    When it is wrong: list_entry() or container_of() of NULL gives a small negative address too, and a loop
    counter of -1 used as a pointer does. Therefore this is never more than "possible": medium confidence
    where a register agrees, low where only the address is known or the code would be -1.
    """
    address = event.address
    if address is None or event.kind not in ("page-fault", "general-protection"):
        return
    bits = address_bits(event.arch)
    distance = (1 << bits) - address
    if not 1 <= distance <= MAX_ERRNO:
        return
    pointer = pointer_of(event, address)
    if pointer is not None and not _is_negative(pointer):
        return  # the instruction followed something else, and went astray by its offset
    register = pointer.base if pointer else _base(event, address, offset_limit_bytes)
    code = (1 << bits) - register.value if register else distance
    name = errno_words(code)
    yield Finding(
        severity="warning",
        confidence="medium" if register and code != 1 else "low",
        title=f"possibly an error pointer was followed{where(event)}: {name}",
        evidence=some(
            quote_head(event, "the address that faulted"),
            quote_register(event, register, "an error code as a pointer"),
        ),
        explanation=_explanation(address, code, name, register) + member_words(event),
        references=("include/linux/err.h",),
    )


def _is_negative(pointer: Pointer) -> bool:
    """Tell whether what the instruction followed was itself a small negative number."""
    return pointer.base is not None and (1 << pointer.bits) - pointer.base.value <= MAX_ERRNO


def is_errno(code: int) -> bool:
    """Tell whether a number may be an error code: those up to 133 are in use, few behind (linux/errno.h)."""
    return 1 <= code <= LAST_OF_USERS or code in ERRNO_NAMES


def errno_words(code: int) -> str:
    """Name an error code: `-12 (ENOMEM)`, or its number alone."""
    name = ERRNO_NAMES.get(code) or RARE_ERRNO_NAMES.get(code)
    return f"-{code} ({name})" if name else f"-{code}"


def _base(event: Event, address: int, offset_limit_bytes: int) -> Register | None:
    """Find the register that holds a known error code at or a member's offset below the address."""
    for register in event.registers:
        offset_bytes = address - register.value
        near = _GENERAL.match(register.name) and 0 <= offset_bytes < offset_limit_bytes
        if near and (1 << address_bits(event.arch)) - register.value in ERRNO_NAMES:
            return register
    return None


def _explanation(address: int, code: int, name: str, register: Register | None) -> str:
    if register is not None:
        offset_bytes = address - register.value
        member = (
            f" and the address is {offset_bytes:#x} behind it" if offset_bytes else ", exactly the address"
        )
        return f"Register {register.name} holds {name} as a pointer{member}."
    return (
        f"The address is {name} if nothing was added to it. NULL minus {code} bytes, as container_of() makes"
        " it, looks the same."
    )

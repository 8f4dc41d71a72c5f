# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rust's mangled names as a programmer writes them.

    _RNvMs3_NtCshgDM7dBCdno_11rust_binder7processNtB5_7Process10update_ref
    <rust_binder::process::Process>::update_ref

A frame keeps the name as the kernel printed it, since symbol tables know no other; titles and text say the
plain one. Source: Rust RFC 2603, symbol name mangling v0; the legacy form is `_ZN...17h<16 hex digits>E`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PREFIX = re.compile(r"(?P<prefix>__(?:pfx|cfi)_)?(?P<mangled>_R[A-Z]\w+|_ZN\w{1,400}17h[0-9a-f]{16}E)")
_MAX_NAME_CHARACTERS = 2_000


@lru_cache(maxsize=4096)
def demangled(function: str) -> str:
    """
    Give a Rust function's plain name; every other name, and one that cannot be read, comes back as it is.

    The prefix of padding (`__pfx_`, `__cfi_`) and what the compiler added behind (`.cold`, `.llvm.123`) stay.
    """
    found = _PREFIX.match(function) if len(function) <= _MAX_NAME_CHARACTERS else None
    if found is None:
        return function
    # Few logs have Rust in them: the others need not wait for the library.
    from multi_demangle import demangle_symbol

    plain = demangle_symbol(found["mangled"]) or found["mangled"]
    return (found["prefix"] or "") + plain + function[found.end() :]

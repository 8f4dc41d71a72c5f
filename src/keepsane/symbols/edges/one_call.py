# SPDX-License-Identifier: GPL-2.0-or-later
"""
One caller and one callee: how did the call before this return address lead to that function?

What a draft says still lacks its source lines: they are looked up for a whole event at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.symbols.calls.calls import THUNK, Branch, CallSite, call_site, is_mcount, replacing_calls
from keepsane.symbols.calls.graph import Hop
from keepsane.symbols.calls.jumps import Chain, End, chains, open_ends
from keepsane.symbols.calls.objects import variable_at
from keepsane.symbols.calls.pointer_origin import pointer_of
from keepsane.symbols.calls.tables import Site, holders, tables_read, taken_in
from keepsane.symbols.code.text import Function, Place, body_of, function_at
from keepsane.symbols.edges.draft import SHOWN, Draft, DraftHop, Reader, all_of, hops_of, of_words
from keepsane.symbols.edges.indirect import judge_indirect

_TRACERS = ("ftrace_", "arch_ftrace_")
"""How the functions begin that the hook at a function's entry leads to."""


def judge_call(
    reader: Reader, caller: Function, return_address: int, callee: Function | None
) -> Draft | None:
    """
    Say how the call before a return address led to a function; None where no form of the bytes has a call.

    Without a callee only the call itself is described. Raises MissingExtraError without capstone.
    """
    asked = (caller, return_address, callee)
    if asked not in reader.judged:
        reader.judged[asked] = _judge_call(reader, *asked)
    return reader.judged[asked]


def _judge_call(
    reader: Reader, caller: Function, return_address: int, callee: Function | None
) -> Draft | None:
    site = call_site(reader.text, caller, return_address)
    if site is None:
        return None
    # Nobody calls a `.cold` part: its function jumps there.
    callee = None if callee is None else body_of(reader.text, callee)
    drafts = []
    for branch in _branches(reader, caller, return_address, site):
        draft = _judge_branch(reader, caller, branch, callee)
        call = Place(caller.module, branch.insn.address)
        form = f" ({site.form})" if site.form else ""
        via = tuple(_called_at(hop, call) for hop in draft.via)
        why = draft.why + form
        drafts.append(draft._replace(via=via, call=call, why=why, form=site.form, branch=branch))
        if draft.verdict != "unknown":
            break
    return drafts[-1] if drafts[-1].verdict != "unknown" else drafts[0]


def _called_at(hop: DraftHop, call: Place) -> DraftHop:
    """Give a table the place of the call that reads it."""
    return hop._replace(at=call) if hop.at is None and hop.kind in ("table", "possible table") else hop


def _branches(reader: Reader, caller: Function, return_address: int, site: CallSite) -> Iterator[Branch]:
    yield from site.branches
    # What stands in the file may be replaced by another call, but few frames need that looked up.
    yield from replacing_calls(reader.text, caller, return_address)


def _judge_branch(reader: Reader, caller: Function, branch: Branch, callee: Function | None) -> Draft:
    if branch.kind == "indirect call":
        if callee is not None and callee.name in (f"{THUNK}{branch.register}", f"{THUNK}array"):
            hop = DraftHop("call", callee.name, None, Place(caller.module, branch.insn.address))
            return Draft("direct", (hop,), f"it calls {callee.name}, on the way to what a pointer holds")
        return judge_indirect(reader, caller, branch, callee)
    target = branch.target or Place(None, None)
    start = function_at(reader.text, target)
    at = Place(caller.module, branch.insn.address)
    if start is None:
        return Draft("unknown", (), f"it calls {target.name or 'an address'}, which no file at hand defines")
    if is_mcount(reader.text, branch):
        return _hooked(callee, at)
    if callee is None:
        return Draft("direct", (DraftHop(branch.hop, start.name, None, at),), f"it calls {start.name}")
    return _through_jumps(reader, start, branch, callee, at)


def _hooked(callee: Function | None, at: Place) -> Draft:
    """The call at a function's entry leads to the tracer, whose own code has no file, and to nothing else."""
    if callee is None or callee.name.startswith(_TRACERS):
        hop = DraftHop("trampoline", None, "ftrace", at)
        return Draft("direct", (hop,), "the tracer's hook at the function's entry")
    return Draft(
        "unknown", (), f"it calls the tracer's hook, and how that leads to {callee.name} is in no file"
    )


def _through_jumps(reader: Reader, start: Function, branch: Branch, callee: Function, at: Place) -> Draft:
    found = chains(reader.graph, start, callee)
    ways = {tuple(hop.callee for hop in chain): chain for chain in found.closed}
    if len(ways) == 1 and not found.gave_up:
        (chain,) = ways.values()
        # Of several names for one place the log's is the one to say.
        *before, last = hops_of(branch.hop, start, chain, at)
        hops = (*before, last._replace(function=callee.name))
        if len(hops) == 1:
            return Draft("direct", hops, f"it calls {hops[0].function}")
        missing = [hop.function or "" for hop in hops[:-1]]
        gone = f": {all_of(missing)}" if len(missing) > 1 else " and"
        return Draft("tail-call", hops, f"it calls {missing[0]}, which jumps on{gone} left no frame")
    if ways:
        said = "; ".join(_names(start, chain) for chain in list(ways.values())[:SHOWN])
        more = f"; {len(ways) - SHOWN} more" if len(ways) > SHOWN else ""
        looked_at = " those that were looked at" if found.gave_up else ""
        return Draft("tail-call", (), f"one of{looked_at}: {said}{more}")
    return _through_pointer(reader, start, branch, callee, at)


def _names(start: Function, chain: Chain) -> str:
    return " -> ".join([start.name, *(hop.callee.name for hop in chain)])


def _through_pointer(reader: Reader, start: Function, branch: Branch, callee: Function, at: Place) -> Draft:
    """A call that leads to a jump through a pointer, or a static call that was set to something else."""
    if branch.kind == "static call":
        return _static_call(reader, start.name.removeprefix("__SCT__"), callee, at)
    certain: list[Draft] = []
    possible: list[Draft] = []
    ends = open_ends(reader.graph, start)
    for end in ends.found:
        draft = _through_end(reader, start, branch, callee, end, at)
        if draft is not None:
            (possible if draft.verdict == "unknown" else certain).append(draft)
    # Of several jumps to anywhere, the one that is known to may not be the one that was taken.
    if certain and (len(ends.found) > 1 or ends.gave_up):
        certain = [
            draft._replace(verdict="unknown", via=(), why=f"{draft.why}, or elsewhere") for draft in certain
        ]
    drafts = certain + possible
    if len(drafts) == 1:
        return drafts[0]
    return Draft("unknown", (), f"it calls {start.name}, and how that leads to {callee.name} was not found")


def _static_call(reader: Reader, name: str, callee: Function, at: Place) -> Draft:
    # It is set to what code or data hands over, so that a function without an address in either is none.
    if not holders(reader.tables, callee) and not taken_in(reader.tables, callee):
        return Draft("unknown", (), f"it calls through the static call {name}, not to {callee.name}")
    hop = DraftHop("static call", callee.name, name, at)
    return Draft(
        "indirect",
        (hop,),
        f"the static call {name}, whose default leads elsewhere, could be set to {callee.name}",
    )


def _through_end(
    reader: Reader, start: Function, branch: Branch, callee: Function, end: End, at: Place
) -> Draft | None:
    """A chain whose last jump goes through a pointer or a static call; None where it cannot lead there."""
    last = end.last
    place = Place(last.inside.module, last.branch.insn.address)
    hops = hops_of(branch.hop, start, end.chain, at)
    if isinstance(last, Hop):
        if not taken_in(reader.tables, callee):
            return None
        name = last.callee.name.removeprefix("__SCT__")
        jump = DraftHop("static call", callee.name, name, place)
        why = f"it calls {start.name}, which jumps through the static call {name}, "
        return Draft("indirect", (*hops, jump), f"{why}which could be set to {callee.name}")
    pointer = pointer_of(reader.text, last.inside, last.branch.insn, last.branch.register)
    if pointer.fixed is not None and taken_in(reader.tables, callee):
        variable = variable_at(reader.tables.data, pointer.fixed)
        jump = DraftHop("indirect jump", callee.name, variable.name if variable else None, place)
        why = f"it calls {start.name}, which jumps through {variable.name if variable else 'a pointer'}, "
        return Draft("indirect", (*hops, jump), f"{why}which could be set to {callee.name}")
    found = tables_read(reader.tables, callee, Site(last.inside, last.branch.insn.address, pointer))
    if found.used:
        jump = DraftHop("indirect jump", callee.name, found.used.name, place)
        return Draft("tail-call", (*hops, jump), f"{last.inside.name} jumps through {found.used.name}")
    if found.possible:
        said = of_words(found.possible)
        return Draft("unknown", (), f"{last.inside.name} jumps through a pointer, which could be {said}")
    return None

# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from keepsane.kernel.events.warning.warning import Warning
from keepsane.kernel.log.code import parse_code
from keepsane.kernel.log.scan import Scanner
from keepsane.model import Code, Event, Frame, Kernel, Stack
from keepsane.report import Check
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.identity.identity import check, contradicts
from keepsane.symbols.identity.printed import Facts, PrintedCode, PrintedSize, facts_of

RELEASE = "6.1.0-56-cloud-amd64"
VERSION = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
BUILD_ID = "3b43fad5034874490492495d552c0af6a5fab235"
FACTS = Facts(
    module=None,
    releases=(),
    version=None,
    build_ids=(),
    offset_bytes=None,
    sizes=(),
    codes=(),
    lines=(),
)
SOURCE = f"""
        .text
        .globl one, two, three, last
        .type one, @function
one:    .fill 64, 1, 0x55
        .type two, @function
two:    .fill 32, 1, 0x56
        .type three, @function
three:  .fill 48, 1, 0x57
        .type last, @function
last:   .fill 16, 1, 0x58
        .section .rodata, "a"
        .ascii "Linux version %s (%s)\\0"
        .ascii "Linux version {RELEASE} (someone@somewhere) (gcc-12 (Debian 12.2.0) 12.2.0, GNU ld 2.40) "
        .asciz "{VERSION}\\n"
        .section .modinfo, "a"
        .asciz "license=GPL"
        .asciz "vermagic={RELEASE} SMP preempt mod_unload modversions "
        .section .notes, "a", @note
        .long 4, 20, 3
        .asciz "GNU"
        .byte {", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(BUILD_ID))}
"""
SIZES = (PrintedSize("one", 64), PrintedSize("two", 32), PrintedSize("three", 48))


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Image:
    if shutil.which("as") is None or shutil.which("ld") is None:
        pytest.skip("binutils, which make the files, are missing")
    directory = tmp_path_factory.mktemp("files")
    (directory / "v.s").write_text(SOURCE)
    subprocess.run(["as", "-o", "m.ko", "v.s"], cwd=directory, check=True)
    return open_image(directory / "m.ko")


@pytest.fixture(scope="module")
def vmlinux(module: Image) -> Image:
    directory = module.path.parent
    subprocess.run(
        ["ld", "-o", "vmlinux", "-e", "one", "-Ttext=0xffffffff81000000", "m.ko"], cwd=directory, check=True
    )
    return open_image(directory / "vmlinux")


def _named(checks: tuple[Check, ...], name: str) -> Check:
    (found,) = [one for one in checks if one.name == name]
    return found


def _frame(function: str, size_bytes: int, module: str | None = None, offset_bytes: int = 4) -> Frame:
    return Frame(line=5, function=function, offset_bytes=offset_bytes, size_bytes=size_bytes, module=module)


def _event(frames: tuple[Frame, ...], ip: Frame | None = None, code: Code | None = None) -> Event:
    stack = Stack(name="Call Trace", frames=frames)
    return Event(
        kind="bug", title="t", line=1, last_line=9, stacks=(stack,), ip=ip, code=code, release=RELEASE
    )


def test_what_a_log_does_not_say_was_not_possible(vmlinux: Image) -> None:
    checks = check(FACTS, vmlinux)
    assert [one.name for one in checks] == ["build-id", "banner", "release", "function sizes", "Code: bytes"]
    assert {one.outcome for one in checks} == {"not possible"}
    assert all(one.said and one.file == str(vmlinux.path) for one in checks)
    assert not contradicts(checks)


def test_a_build_id_settles_it_either_way(vmlinux: Image) -> None:
    odd = replace(FACTS, sizes=(PrintedSize("one", 1), PrintedSize("two", 2)))
    equal = check(replace(odd, build_ids=(BUILD_ID,)), vmlinux)
    assert _named(equal, "build-id").outcome == "match"
    assert not contradicts(equal)
    other = check(replace(FACTS, build_ids=("ab" * 20,), sizes=SIZES), vmlinux)
    assert _named(other, "build-id") == Check(
        "build-id", str(vmlinux.path), "mismatch", f"{'ab' * 20} in the log, {BUILD_ID} in the file"
    )
    assert contradicts(other)


@pytest.mark.parametrize(
    "printed",
    [
        VERSION,
        "#1  Debian 6.1.192-2",
        "#1",
        "#1 Debian 6.1.19",
        "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-1",
        "#1 PREEMPT(voluntary) Debian 6.1.192-2",
    ],
)
def test_every_form_of_the_version_is_known_again(printed: str, vmlinux: Image) -> None:
    assert _named(check(replace(FACTS, version=printed), vmlinux), "banner").outcome == "match"


@pytest.mark.parametrize(
    "printed",
    [
        "#2 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
        "#1  Debian 6.1.191-1",
        "#14-Ubuntu PREEMPT(lazy)",
        "#11 Debian 6.1.192-2",
    ],
)
def test_another_build_has_another_version(printed: str, vmlinux: Image) -> None:
    found = _named(check(replace(FACTS, version=printed), vmlinux), "banner")
    assert found.outcome == "mismatch"
    assert repr(printed) in found.said
    assert VERSION in found.said


def test_the_release_is_compared_with_vmlinux_and_with_vermagic(vmlinux: Image, module: Image) -> None:
    for image, name in ((vmlinux, None), (module, "m")):
        facts = replace(FACTS, module=name)
        outcomes = {
            said: _named(check(replace(facts, releases=said), image), "release").outcome
            for said in ((RELEASE,), ("6.12.117+deb12-cloud-amd64",), (RELEASE, "6.12.0"), ("6.1.0-5",))
        }
        assert list(outcomes.values()) == ["match", "mismatch", "mismatch", "not possible"]


def test_equal_sizes_are_no_contradiction_and_no_more(vmlinux: Image) -> None:
    checks = check(replace(FACTS, sizes=SIZES), vmlinux)
    assert _named(checks, "function sizes").said == "3 of 3 sizes equal: no contradiction"
    assert not contradicts(checks)


def test_a_function_of_another_size_is_named_with_both(vmlinux: Image) -> None:
    checks = check(replace(FACTS, sizes=(*SIZES, PrintedSize("two", 33))), vmlinux)
    found = _named(checks, "function sizes")
    assert found.outcome == "mismatch"
    assert found.said == "3 of 4 sizes equal, but two has 0x21 bytes in the log and 0x20 in the file"


def test_a_function_that_is_missing_is_named(vmlinux: Image) -> None:
    checks = check(replace(FACTS, sizes=(PrintedSize("absent", 8),)), vmlinux)
    assert "absent is not in the file" in _named(checks, "function sizes").said
    assert contradicts(checks)


def test_a_single_odd_frame_among_many_is_named_and_forgiven(vmlinux: Image) -> None:
    many = tuple(PrintedSize(name, size) for name, size in SIZES for _ in range(3))
    checks = check(replace(FACTS, sizes=(*many, PrintedSize("tw", 32))), vmlinux)
    found = _named(checks, "function sizes")
    assert (found.outcome, found.said) == ("match", "9 of 10 sizes equal, but tw is not in the file")
    assert contradicts(
        check(replace(FACTS, sizes=(*many, PrintedSize("tw", 32), PrintedSize("one", 1))), vmlinux)
    )


def test_the_last_function_of_a_module_may_have_been_longer(module: Image) -> None:
    facts = replace(FACTS, module="m")
    for size_bytes, outcome in ((16, "match"), (20, "match"), (12, "mismatch")):
        checks = check(replace(facts, sizes=(PrintedSize("last", size_bytes),)), module)
        assert _named(checks, "function sizes").outcome == outcome


def _printed(data: bytes, trap_bytes: int = 8) -> PrintedCode:
    return PrintedCode("one", 40, 64, Code(line=7, data=data, trap_bytes=trap_bytes, word_bytes=1))


def test_code_bytes_say_both_sides(vmlinux: Image) -> None:
    equal = _named(check(replace(FACTS, codes=(_printed(b"\x55" * 32),)), vmlinux), "Code: bytes")
    assert (equal.outcome, equal.said) == ("match", "one+0x28 (line 7): 32 of 32 bytes equal")
    other = replace(FACTS, offset_bytes=0, codes=(_printed(b"\x55" * 6 + b"\x11\x22" + b"\x55" * 24),))
    found = _named(check(other, vmlinux), "Code: bytes")
    assert found.outcome == "mismatch"
    assert found.said.startswith("one+0x28 (line 7): 30 of 32 bytes equal; -2 bytes from the trap 11 22 55")
    assert found.said.endswith("in the log, 55 55 55 55 55 55 55 55 in the file")


def test_a_lock_that_became_another_byte_is_said_and_no_mismatch(tmp_path: Path) -> None:
    # `lock` and `incl (%rdi)`, f0 ff 07: a kernel with one CPU puts a prefix 3e in place of f0, never 66.
    code = ".globl one\none: .fill 40, 1, 0x55\nlocked: lock incl (%rdi)\n .fill 40, 1, 0x55\n"
    (tmp_path / "v.s").write_text(f'{code}.section .smp_locks, "a"\n .long locked - .\n')
    subprocess.run(["as", "-o", "v.o", "v.s"], cwd=tmp_path, check=True)
    link = ["ld", "-o", "vmlinux", "-e", "one", "-Ttext=0xffffffff81000000", "v.o"]
    subprocess.run(link, cwd=tmp_path, check=True)
    said = []
    for prefix in (b"\x3e", b"\x66"):
        data = b"\x55" * 8 + prefix + b"\xff\x07" + b"\x55" * 21
        facts = replace(FACTS, offset_bytes=0, codes=(_printed(data),))
        found = _named(check(facts, open_image(tmp_path / "vmlinux")), "Code: bytes")
        said.append((found.outcome, found.said.partition(": ")[2]))
    assert said == [
        ("match", "31 of 32 bytes equal, 1 where the kernel changes itself"),
        (
            "match",
            "31 of 32 bytes equal, 1 at +0 bytes from the trap that the kernel changes itself, "
            "but never to this",
        ),
    ]


@pytest.mark.parametrize(("byte", "outcome"), [(0xCC, "match"), (0x54, "match"), (0x12, "mismatch")])
def test_a_breakpoint_or_one_flipped_bit_is_said_and_forgiven(
    byte: int, outcome: str, vmlinux: Image
) -> None:
    data = b"\x55" * 20 + bytes([byte]) + b"\x55" * 24
    found = _named(check(replace(FACTS, offset_bytes=0, codes=(_printed(data, 30),)), vmlinux), "Code: bytes")
    assert found.outcome == outcome
    assert "-10 bytes from the trap" in found.said


def test_a_stripped_file_can_be_compared_by_its_banner_alone(vmlinux: Image) -> None:
    path = vmlinux.path.with_name("stripped")
    subprocess.run(["strip", "-o", str(path), str(vmlinux.path)], check=True)
    checks = check(replace(FACTS, releases=("6.12.0",), sizes=SIZES), open_image(path))
    assert _named(checks, "release").outcome == "mismatch"
    assert "symbol table" in _named(checks, "function sizes").said


def test_facts_belong_to_the_kernel_or_to_one_module() -> None:
    ip = replace(_frame("poke_null", 64, "crash-me"), role="ip")
    code = parse_code("Code: 90 <0f> 0b", 6)
    frames = (
        _frame("vfs_write", 1008),
        _frame("do_null", 144, "crash_me"),
        _frame("vfs_write", 1008, offset_bytes=8),
    )
    events = (_event(frames, ip, code),)
    kernel = facts_of(events, Kernel(release=RELEASE, version="#1"))
    assert (kernel.sizes, kernel.codes) == ((PrintedSize("vfs_write", 1008),), ())
    assert (kernel.releases, kernel.version) == ((RELEASE,), "#1")
    module = facts_of(events, Kernel(), "crash_me")
    assert module.sizes == (PrintedSize("poke_null", 64), PrintedSize("do_null", 144))
    assert [(one.function, one.offset_bytes) for one in module.codes] == [("poke_null", 4)]


def test_functions_without_a_file_are_no_facts() -> None:
    frames = (
        _frame("bpf_prog_6deef7357e7b4530_sched_switch", 76),
        _frame("bpf_trampoline_6442536467", 4096),
        _frame("bpf_prog_0123456789abcdef", 20, "bpf"),
        Frame(line=1, function=None, offset_bytes=None, size_bytes=None, address=0xFFFFFFFF81000000),
    )
    assert facts_of((_event(frames),), Kernel()).sizes == ()


def test_reports_of_two_kernels_are_two_releases() -> None:
    event = replace(_event(()), release="6.12.117+deb12-cloud-amd64")
    assert facts_of((event,), Kernel(release=RELEASE)).releases == (RELEASE, "6.12.117+deb12-cloud-amd64")


def test_a_warnings_line_is_a_fact_where_its_place_is_known() -> None:
    ip = replace(_frame("do_warn", 64), role="ip")
    event = Warning(
        kind="warning", title="t", line=1, last_line=9, ip=ip, file="kernel/softirq.c", source_line=152
    )
    (line,) = facts_of((event,), Kernel()).lines
    assert (line.file, line.line, line.function, line.offset_bytes) == ("kernel/softirq.c", 152, "do_warn", 4)
    assert facts_of((replace(event, ip=None),), Kernel()).lines == ()


# What two running Debian kernels printed: where KASLR put them, the place, the bytes there.
DEBIAN = {
    "6.1.0-56-cloud-amd64": (
        (
            0x39E00000,
            "__list_del_entry_valid.cold",
            0x37,
            0x6F,
            "Code: fe ff 0f 0b 48 89 d1 48 c7 c7 c0 b3 14 bc 48 89 c2 e8 f4 9b fe ff 0f 0b "
            "48 89 f2 48 89 fe 48 c7 c7 70 b3 14 bc e8 e0 9b fe ff <0f> 0b 48 89 fe 48 89 "
            "ca 48 c7 c7 38 b3 14 bc e8 cc 9b fe ff 0f 0b",
        ),
        (
            None,
            "refcount_warn_saturate",
            0x97,
            0x110,
            "Code: 01 01 e8 3c 2a af ff 0f 0b c3 cc cc cc cc 80 3d 68 4b 66 01 00 75 a8 48 "
            "c7 c7 d0 aa 94 83 c6 05 58 4b 66 01 01 e8 19 2a af ff <0f> 0b c3 cc cc cc cc "
            "80 3d 44 4b 66 01 00 75 85 48 c7 c7 00 ab 94",
        ),
    ),
    "6.12.117+deb12-cloud-amd64": (
        (
            0x30600000,
            "__list_del_entry_valid_or_report",
            0xA7,
            0xC0,
            "Code: a2 ff 0f 0b 48 89 fe 48 89 ca 48 c7 c7 48 31 b1 b2 e8 9d 11 a2 ff 0f 0b "
            "48 89 fe 48 89 c2 48 c7 c7 80 31 b1 b2 e8 89 11 a2 ff <0f> 0b 48 89 d1 48 c7 "
            "c7 d0 31 b1 b2 48 89 f2 48 89 c6 e8 72 11 a2",
        ),
        (
            None,
            "refcount_warn_saturate",
            0x9B,
            0x110,
            "Code: 01 01 e8 78 95 99 ff 0f 0b c3 cc cc cc cc 80 3d 1b 45 70 01 00 75 a8 48 "
            "c7 c7 58 2b 11 91 c6 05 0b 45 70 01 01 e8 55 95 99 ff <0f> 0b c3 cc cc cc cc "
            "80 3d f7 44 70 01 00 75 85 48 c7 c7 88 2b 11",
        ),
    ),
}
CACHE = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
DEBUG = Path(os.environ.get("LAB", Path(CACHE) / "keepsane-lab")) / "debug"


def _debian_image(release: str) -> Image:
    path = DEBUG / release / "vmlinux"
    if not path.is_file():
        pytest.skip(f"no vmlinux of {release}: make live fetches it")
    return open_image(path)


@pytest.mark.parametrize("file", DEBIAN)
@pytest.mark.parametrize("running", DEBIAN)
def test_code_of_a_running_kernel_against_its_file_and_the_others(running: str, file: str) -> None:
    image = _debian_image(file)
    for offset_bytes, function, at, size_bytes, text in DEBIAN[running]:
        code = parse_code(text, 1)
        assert code is not None
        facts = replace(
            FACTS, offset_bytes=offset_bytes, codes=(PrintedCode(function, at, size_bytes, code),)
        )
        found = _named(check(facts, image), "Code: bytes")
        assert (found.outcome == "match") == (running == file), found.said
        assert (found.outcome == "mismatch") == (running != file and "no bytes" not in found.said), found.said


def test_a_torn_last_line_proves_nothing() -> None:
    """A log cut inside `/0x3f0` says `/0x3`: that is no size of a function."""
    log = """\
BUG: kernel NULL pointer dereference, address: 0000000000000080
CPU: 0 PID: 7 Comm: made-up Not tainted 6.1.0 #1
RIP: 0010:first+0x12/0x40
Call Trace:
 second+0x5f/0x90
 third+0xc7/0x3"""
    events = tuple(Scanner().events(log.splitlines()))

    facts = facts_of(events, Kernel())

    assert [size.function for size in facts.sizes] == ["first", "second"]


def _several_sizes(odd: int, equal: int) -> tuple[PrintedSize, ...]:
    return (*(PrintedSize("one", 64 - 1 - k) for k in range(odd)), *(SIZES * equal)[:equal])


@pytest.mark.parametrize(
    ("version", "odd", "equal", "outcome"),
    [
        (VERSION, 2, 3, "match"),
        (VERSION, 3, 2, "mismatch"),
        ("#1 SMP", 2, 3, "mismatch"),
        (None, 2, 3, "mismatch"),
    ],
)
def test_a_few_damaged_sizes_do_not_outvote_the_build_date(
    vmlinux: Image, version: str | None, odd: int, equal: int, outcome: str
) -> None:
    facts = replace(FACTS, releases=(RELEASE,), version=version, sizes=_several_sizes(odd, equal))
    said = _named(check(facts, vmlinux), "function sizes")
    assert said.outcome == outcome
    assert said.said.startswith(f"{equal} of {odd + equal} sizes equal, but one has 0x3f bytes in the log")
    assert said.said.endswith("banner and release are equal") == (version == VERSION)


def test_a_program_is_no_kernel(vmlinux: Image, tmp_path: Path) -> None:
    (tmp_path / "p.s").write_text(".globl one\n.type one, @function\none: .fill 64, 1, 0x90\n")
    subprocess.run(["as", "-o", "p.o", "p.s"], cwd=tmp_path, check=True)
    subprocess.run(["ld", "-s", "-e", "one", "-o", "p", "p.o"], cwd=tmp_path, check=True)
    facts = replace(FACTS, releases=(RELEASE,), version=VERSION, sizes=SIZES)
    checks = check(facts, open_image(tmp_path / "p"))
    assert contradicts(checks)
    assert "no kernel" in _named(checks, "banner").said

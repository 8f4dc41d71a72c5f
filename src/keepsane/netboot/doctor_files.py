# SPDX-License-Identifier: GPL-2.0-or-later
"""
What is wrong in a file that somebody wrote to bring a machine here: GRUB's, dnsmasq's, iPXE's.

    linux16 /boot/ipxe.lkrn dhcp && chain http://192.168.1.5:8069/s      GRUB's own &&: a syntax error
    dhcp-boot=tag:ipxe,http://192.168.1.5:8069/s                         iPXE ignores it beside another server

Each was met with GRUB 2.06, dnsmasq 2.89 as a proxy, or iPXE of 2019. Source: RFC 951 for the 128 bytes of
`file`, iPXE's dhcp_has_pxeopts().
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from keepsane.netboot.check import Check

MAX_URL_BYTES = 127
"""BOOTP's `file` has 128, with the NUL behind it."""

MAX_LINE = 4096
_ENTRY = re.compile(r"(?m)^menuentry\b")
_LOADS = ("linux16", "linux", "kernel")
_HAS_INITRD = re.compile(r"(?m)^(?P<word>initrd16|initrd)\b")
_QUOTED = re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\"|\\.")


def check_grub(name: str, text: str) -> Iterator[Check]:
    """Look at a file of GRUB 2; its menu.lst of before 2009 is read by another GRUB, and needs no quotes."""
    entries = _ENTRY.split(_without_comments(text))[1:]
    starts = [(found, entry) for entry in entries if (found := _loads_ipxe(entry))]
    if not starts:
        yield Check(False, f"{name}: no menuentry starts iPXE; keepsane netboot setup writes one")
        return
    wrong = [said for kernel, entry in starts for said in _wrong_in_entry(kernel, entry)]
    yield from (Check(False, f"{name}: {said}") for said in wrong)
    if not wrong:
        yield Check(True, f"{name}: its entry starts iPXE with a script")
    if "0x4f0" not in text:
        yield Check(
            None,
            f"{name}: nothing marks byte 0x4f0: where the entry is the default one, GRUB starts iPXE again "
            "when iPXE gives up; the file of keepsane netboot setup marks it",
        )


def _loads_ipxe(entry: str) -> tuple[str, str] | None:
    """Give the command that loads iPXE, and what it is to run; None where none does."""
    for line in entry.splitlines():
        command, *words = line.split(maxsplit=2)
        if command in _LOADS and words and "ipxe" in words[0]:
            return command, "".join(words[1:])
    return None


def _wrong_in_entry(kernel: tuple[str, str], entry: str) -> Iterator[str]:
    command, rest = kernel
    initrd = _HAS_INITRD.search(entry)
    quoted = [part[1:-1] for part in _QUOTED.findall(rest)]
    if "&&" in _QUOTED.sub("", rest) or "||" in _QUOTED.sub("", rest):
        yield "GRUB takes && and || for its own, and stops at them: put it into a script for initrd16"
    elif any(" && " in part for part in quoted):
        yield "iPXE takes what is in quotes as one word, and runs nothing: put it into a script for initrd16"
    if command == "linux16" and initrd is not None and initrd["word"] == "initrd":
        yield "behind linux16, GRUB wants initrd16, not initrd"
    if initrd is None and "chain" not in rest:
        yield "no initrd16 gives iPXE its script: it would take what DHCP says"


def check_dnsmasq(name: str, text: str) -> Iterator[Check]:
    """Look at a file of dnsmasq that is to bring machines here."""
    lines = [line.replace(" ", "") for line in _without_comments(text).splitlines()]
    wrong = [*_wrong_boots(lines), *_wrong_services(lines)]
    yield from (Check(False, f"{name}: {said}") for said in wrong)
    if not wrong:
        yield Check(True, f"{name}: dnsmasq gives iPXE the script, and iPXE to BIOS and UEFI")


def check_dnsmasq_network(name: str, text: str, networks: Sequence[ipaddress.IPv4Network]) -> Iterator[Check]:
    """Look whether this machine is in the networks for which a file of dnsmasq answers."""
    for line in _without_comments(text).splitlines():
        option, _, value = line.replace(" ", "").partition("=")
        for field in value.split(",") if option == "dhcp-range" else ():
            address = _address(field)
            if address is not None and not any(address in network for network in networks):
                has = ", ".join(map(str, networks)) or "none"
                yield Check(
                    None,
                    f"{name}: dhcp-range={address} is in no network of this machine, where dnsmasq answers "
                    f"nobody then; it has {has}",
                )
            if address is not None:
                break


def _address(said: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(said)
    except ValueError:
        return None


def _wrong_boots(lines: list[str]) -> Iterator[str]:
    boots = [line.partition("=")[2].split(",") for line in lines if line.startswith("dhcp-boot=")]
    scripts = [fields for fields in boots if any(field.startswith("http") for field in fields)]
    if not scripts:
        yield "no dhcp-boot gives iPXE the address of its script"
    proxy = any(line.startswith("dhcp-range=") and ",proxy" in line for line in lines)
    for fields in scripts:
        tags = [field for field in fields if field.startswith("tag:")]
        url, *more = fields[len(tags) :]
        yield from filter(None, (wrong_url(url),))
        if proxy and (len(more) < 2 or not more[1]):
            yield f"dhcp-boot names no server behind {url[:80]}: as a proxy's, iPXE ignores it; add ,,ADDRESS"
        if not tags:
            yield "dhcp-boot gives the script to firmware too, which cannot run it; say tag:ipxe"
    if not any(line.startswith("dhcp-match=") and line.endswith(",175") for line in lines):
        yield "nothing tells iPXE from firmware, which would load iPXE for ever; add dhcp-match=set:ipxe,175"


def _wrong_services(lines: list[str]) -> Iterator[str]:
    services = [line for line in lines if line.startswith("pxe-service=")]
    if any(",X86-64_EFI," in line for line in services) and not any(",BC_EFI," in line for line in services):
        yield "UEFI machines ask as BC_EFI, and no pxe-service is for them; X86-64_EFI alone is not enough"
    if any("HTTPClient" in line for line in lines):
        yield (
            "it serves UEFI's own HTTP boot, which can load iPXE and cannot wait: it gives up after 5 s; "
            "give it snponly.efi alone, never the script"
        )


def wrong_url(url: str) -> str | None:
    """Say why DHCP cannot carry a URL, None where it can."""
    size = len(url.encode("utf-8", "replace"))
    if size <= MAX_URL_BYTES:
        return None
    return f"{url[:60]}... has {size} bytes, and BOOTP carries {MAX_URL_BYTES}; name a short script"


def check_script(name: str, text: str) -> Iterator[Check]:
    """Look at a script for iPXE that somebody wrote."""
    commands = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    wrong = list(_wrong_commands(text, commands))
    yield from (Check(False, f"{name}: {said}") for said in wrong)
    if not wrong:
        yield Check(True, f"{name}: nothing is wrong in it that is known")
    if any(words[0] == "chain" and "--timeout" not in words for words in commands):
        yield Check(None, f"{name}: a chain without --timeout waits for ever where the server went away")


def _wrong_commands(text: str, commands: list[list[str]]) -> Iterator[str]:
    if not text.startswith("#!ipxe"):
        yield "it does not begin with #!ipxe: iPXE on a BIOS would run it as machine code"
    kernels = [words for words in commands if words[0] == "kernel"]
    initrds = any(words[0] == "initrd" for words in commands)
    if initrds and any(not any(word.startswith("initrd=") for word in words) for words in kernels):
        yield "its kernel line has no initrd=NAME: under UEFI, iPXE before 2.0 needs it for the initrd"
    names = {words[0] for words in commands}
    if "imgfetch" in names and "imgfree" not in names:
        yield "what imgfetch loads is put in front of the initrd, which is broken then; add imgfree behind it"


def _without_comments(text: str) -> str:
    """Give the lines that say something, without the blanks in front of them."""
    lines = (line.strip()[:MAX_LINE] for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))

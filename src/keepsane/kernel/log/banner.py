# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which kernel is speaking: its banner, and where KASLR put it.

    Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 ...) #1 SMP Debian 6.1.192-2
    Kernel Offset: 0x21a00000 from 0xffffffff81000000 (relocation range: ...)

Source: init/version-timestamp.c, linux_banner; arch/x86/kernel/setup.c and arch/arm64/kernel/setup.c,
dump_kernel_offset().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.model import Event, Kernel, LogRecord

_BANNER_BEGINS, _OFFSET_BEGINS = "Linux version ", "Kernel Offset: "
LITERALS = (_BANNER_BEGINS, _OFFSET_BEGINS)
"""What a line holds that `KernelFacts.take` has a use for."""
_BANNER = re.compile(
    r"Linux version (?P<release>[\w.+~-]{1,80}) .{0,400}?(?P<version>#\d{1,10}+\b.{0,200}+)?$",
)
_OFFSET = re.compile(r"Kernel Offset: (?:0x(?P<offset>[0-9a-f]{1,16}) from|disabled)")


_BANNER_SECONDS = 1.0
_BACK_SECONDS = 60.0
"""Reports of several contexts end out of order, but not by so much."""


@dataclass(slots=True)
class KernelFacts:
    """Collects what a log says of the kernel of one boot."""

    release: str | None = None
    version: str | None = None
    build_id: str | None = None
    arch: str | None = None
    offset_bytes: int | None = None
    last_seconds: float | None = None
    _offsets: int = 0

    def is_over(
        self, record: LogRecord, *, reporting: bool, timed: bool, before_seconds: float | None = None
    ) -> bool:
        """
        Tell whether a line begins another boot: a banner, where this one has said who it is or reported.

        `reporting` says whether a report is open, `timed` whether lines before this one had a timestamp,
        `before_seconds` is that of the line before.
        """
        if not record.text.startswith(_BANNER_BEGINS):
            return False
        # `cat /proc/version` on the console is no boot: printk says its banner in the first second.
        if (record.seconds is None and timed) or (record.seconds or 0.0) > _BANNER_SECONDS:
            return False
        found = _BANNER.match(record.text)
        # A doubled console says everything twice, and a cut banner is no other kernel's.
        again = (found["release"], found["version"]) if found is not None else (self.release, self.version)
        back = before_seconds is not None and before_seconds > (record.seconds or 0.0) + _BACK_SECONDS
        other = self.release is not None and again != (self.release, self.version)
        return other or reporting or back or self.last_seconds is not None

    def is_foreign(self, event: Event) -> bool:
        """Tell whether a report is of a later boot without a banner: another release, an earlier clock."""
        if self.release is not None and event.release is not None and event.release != self.release:
            return True
        seconds = event.records[0].seconds
        return (
            seconds is not None
            and self.last_seconds is not None
            and seconds < self.last_seconds - _BACK_SECONDS
        )

    def take(self, text: str) -> None:
        """Read one line that belongs to no report."""
        if text.startswith(_BANNER_BEGINS):
            self._banner(text)
        elif text.startswith(_OFFSET_BEGINS):
            self._offset(text)

    def learn(self, event: Event, version: str | None) -> None:
        """Take over what a report says of its kernel where no banner did."""
        self.release = self.release or event.release
        self.build_id = self.build_id or event.build_id
        self.version = self.version or version
        self.arch = self.arch or event.arch
        self.last_seconds = event.records[0].seconds if event.records[0].seconds is not None else 0.0

    def kernel(self) -> Kernel:
        """Give what is known. An offset printed twice with different values belongs to two boots: None."""
        return Kernel(
            release=self.release,
            version=self.version,
            build_id=self.build_id,
            arch=self.arch,
            offset_bytes=self.offset_bytes if self._offsets == 1 else None,
        )

    def _banner(self, text: str) -> None:
        found = _BANNER.match(text)
        if found is not None and self.release is None:
            self.release, self.version = found["release"], found["version"]

    def _offset(self, text: str) -> None:
        found = _OFFSET.match(text)
        if found is None:
            return
        offset_bytes = int(found["offset"] or "0", 16)
        if self._offsets == 0 or offset_bytes != self.offset_bytes:
            self._offsets += 1
        self.offset_bytes = offset_bytes

# SPDX-License-Identifier: GPL-2.0-or-later
"""Rust panics, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.rust import RustPanic
from tests.golden import events_of, first_of


def test_place_and_message() -> None:
    event = first_of("rust-panic/overflow")

    assert isinstance(event, RustPanic)
    assert (event.file, event.source_line, event.column) == ("drivers/crashme/widget.rs", 77, 13)
    assert event.message == "attempt to subtract with overflow"


def test_the_one_line_form() -> None:
    (event,) = events_of("rust_kernel: panicked at 'index out of bounds', drivers/crashme/widget.rs:9:5")

    assert event.title == "Rust panic: index out of bounds at drivers/crashme/widget.rs:9"

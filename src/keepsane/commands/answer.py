# SPDX-License-Identifier: GPL-2.0-or-later
"""A report in the form that was asked for, and as an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from keepsane.commands.output import Output, columns_of, paint_for
from keepsane.render.json import json_parts, render_jsonl
from keepsane.report import Fragment, Report

if TYPE_CHECKING:
    from keepsane.render.html.element import Markup

EXIT_CLEAR, EXIT_FOUND, EXIT_UNUSABLE = 0, 1, 2
"""No event and no finding above info; any; it could not be judged, or not with the vmlinux that was named."""


def rendered(
    part: Report | Fragment, form: str, out: Output, plots: Iterable[Markup] = (), *, brief: bool = False
) -> Iterable[str]:
    """
    Give a report as text, json, jsonl or html in pieces.

    `plots` are for a page alone, `brief` for a text: it leaves out what is read last.
    """
    if isinstance(part, Fragment) or form == "jsonl":
        return (render_jsonl(part),)
    if form == "json":
        return json_parts(part)
    if form == "html":
        from keepsane.render.html.page import render_html

        return (render_html(part, plots=plots),)
    from keepsane.render.text.report import render_text

    return (render_text(part, paint_for(out), columns=columns_of(out), brief=brief),)


def exit_code(part: Report | Fragment) -> int:
    """2 where nothing was found in samples that are not whole: for a script that is not "all is well"."""
    events = part.events if isinstance(part, Report) else (part.event,)
    if events or any(finding.severity != "info" for finding in part.findings):
        return EXIT_FOUND
    doubted = any(failure.kind == "no-verdict" for failure in part.failures)
    return EXIT_UNUSABLE if doubted else EXIT_CLEAR

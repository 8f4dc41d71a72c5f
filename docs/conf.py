# SPDX-License-Identifier: GPL-2.0-or-later
"""
The Sphinx configuration.

What the program itself knows (its options, rules and JSON fields) is not written down a second time: a page
says `<!-- generated: rules -->` on a line of its own, and docs/generated.py fills in the rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keepsane
from docs import generated

project = "keepsane"
author = "the keepsane authors"
release = version = keepsane.__version__
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 3
html_theme = "alabaster"
html_theme_options = {
    "description": "what a kernel log means, and how we know",
    "fixed_sidebar": True,
    "page_width": "68rem",
    "body_max_width": "46rem",
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_show_copyright = False


def fill_in(_app: Sphinx, _page: str, source: list[str]) -> None:
    try:
        source[0] = generated.fill_in(source[0])
    except ValueError as error:
        raise SphinxError(str(error)) from error


def setup(app: Sphinx) -> None:
    app.connect("source-read", fill_in)

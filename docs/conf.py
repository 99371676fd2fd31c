"""Sphinx's settings. ``nox -s docs`` builds the pages; ``generate.py`` writes those under ``reference/``."""

project = "ganbench"
author = "the ganbench authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "ganbench"
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # so that a page can link to another one's headings
nitpicky = True

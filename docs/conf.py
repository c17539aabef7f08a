"""How `make docs` builds the site: Markdown in, pages out, every file of them on this machine."""

project = "abstractor"
author = "the abstractor authors"
extensions = ["myst_parser"]
# A link to a heading in another page is checked down to this level.
myst_heading_anchors = 3
html_theme = "furo"
html_title = "abstractor"
html_copy_source = False

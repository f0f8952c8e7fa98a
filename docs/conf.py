"""How Sphinx builds these pages: ``sphinx-build -W --keep-going -b html docs html``."""

import re
from importlib import metadata

project = "sklearn_grn"
author = "The sklearn_grn developers"
copyright = f"2026, {author}"
version = release = metadata.version("sklearn-grn")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

# Single backticks in docstrings are code, as in scikit-learn.
default_role = "literal"

# The members are written out by the template of the class page.
numpydoc_show_class_members = False
autodoc_typehints = "none"  # types are in the docstrings, with their shapes

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Copy what was typed, without prompts and output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "backreferences_dir": "gen_modules",
    "doc_module": ("sklearn_grn",),
    "reference_url": {"sklearn_grn": None},  # names in the code link to these pages
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_grn {version}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_sidebars = {"index": [], "changelog": []}


def _quote_attributes(app, what, name, obj, options, lines):
    """Keep n_components_ in a shape from being read as a reference."""
    for i, line in enumerate(lines):
        head, of_shape, shape = line.partition(" of shape (")
        shape = re.sub(r"(?<![`\w])(\w+_)(?![`\w])", r"`\1`", shape)
        lines[i] = head + of_shape + shape


def setup(app):
    """Let docstrings pass through the function above before numpydoc reads them."""
    app.connect("autodoc-process-docstring", _quote_attributes, priority=100)

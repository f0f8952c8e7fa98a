"""The house is laid out as docs/development.md says."""

import ast
import importlib
import inspect
import re
import sys
import tomllib
from pathlib import Path

import pytest

import sklearn_grn

HOUSE = Path(sklearn_grn.__file__).parent
CHECKOUT = Path(__file__).parents[1]

# A module may import only modules before it. `__init__` and `__main__` come last.
ORDER = [
    "_warn",
    "_dense_update",
    "linalg",
    "_column_blocks",
    "_orthonormal",
    "_capacitance",
    "_trust",
    "_array_interface",
    "_pair_tiles",
    "_pair_collectors",
    "_edge_search",
    "_spectrum",
    "_diagonal_low_rank",
    "_likelihood",
    "_covariance_models",
    "_sample_table",
    "_sample_batch",
    "_centred_table",
    "_implicit_batches",
    "_implicit_samples",
    "_implicit_gram",
    "_implicit_table",
    "_co_moments",
    "_running_axes",
    "_sample_stream",
    "_shrinkage",
    "_shrinkage_path",
    "_factor_analysis",
    "_text_lines",
    "_whole_files",
    "_gene_names",
    "_nets",
    "_gene_sets",
    "_text_tables",
    "_loadings",
    "_anndata",
    "_expression_tables",
    "_fitted_covariance",
    "_precision",
    "_precision_cv",
    "_explained_covariance",
    "_pathway_effects",
    "_activity_variance",
    "_pathway_activities",
    "pathways",
    "_tested_pairs",
    "_prepared_table",
    "_classical_significance",
    "_genenet_null",
    "_genenet_significance",
    "_lasso_pilot",
    "_leave_pair_correlation",
    "_triangle_veto",
    "_hidden_factors",
    "_leave_pair_out",
    "_expression_diagnostics",
    "_inner_estimator",
    "_edge_tables",
    "_sample_removal",
    "_leave_one_out",
    "_significance",
    "_pseudo_likelihood",
    "_edge_selector",
    "_selection",
    "_selection_cv",
    "_edge_features",
    "_network_comparison",
    "_network_tables",
    "_network_formats",
    "export",
    "displays",
    "_nonparanormal",
    "_regulator_list",
    "_regulatory_features",
    "_block_links",
    "_regulatory_score",
    "_regulatory_search",
    "_regulators",
    "datasets",
    "_demo",
    "_command_options",
    "_network_report",
    "_network_command",
    "_cli",
]
MOST_LINES = 550

FILES = sorted(HOUSE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def module_of(path):
    """Name of the module, or of the subpackage, that a file belongs to."""
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


MODULES = {module_of(path) for path in FILES} - {"__init__", "__main__"}
PUBLIC = ["sklearn_grn"] + [
    f"sklearn_grn.{name}" for name in sorted(MODULES) if not name.startswith("_")
]

each_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: str(path.relative_to(HOUSE))
)


def imported_names(nodes):
    """Dotted names that import statements ask for, each with its line."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from ((name, node.lineno) for name in names)


def imported_modules(path):
    """Modules of the house that a file imports, anywhere in it."""
    for name, line in imported_names(ast.walk(TREES[path])):
        package, _, rest = name.partition(".")
        if package == "sklearn_grn":
            module = rest.partition(".")[0]
            yield (module if module in MODULES else "__init__"), line


def outside_functions(node):
    """Nodes that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from outside_functions(child)


# ----------------------------------------------------------------------- imports
def earliest_place(module):
    """Say where in the order a module may stand, given what it imports."""
    files = [path for path in FILES if module_of(path) == module]
    needs = {name for path in files for name, _ in imported_modules(path)}
    last = max((ORDER.index(name) for name in needs & set(ORDER)), default=None)
    return "anywhere" if last is None else f"somewhere below {ORDER[last]!r}"


def test_every_module_has_its_place():
    homeless = {new: earliest_place(new) for new in sorted(MODULES - set(ORDER))}
    assert not homeless, (
        f"add {homeless} to ORDER in this file, above the modules that import them, "
        "and to the table in docs/development.md"
    )
    assert set(ORDER) <= MODULES, f"no longer there: {set(ORDER) - MODULES}"


def test_development_page_shows_the_order():
    text = (CHECKOUT / "docs" / "development.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == ORDER


@each_file
def test_imports_go_one_way(path):
    importer = module_of(path)
    if importer not in ORDER:  # `__init__`, `__main__`, and those reported above
        return
    later = {"__init__", *ORDER[ORDER.index(importer) :]}
    if path.parent != HOUSE:  # the files of a subpackage may import each other
        later.remove(importer)
    for name, line in imported_modules(path):
        assert name not in later, f"{path}:{line} imports {name}, which comes later"


@each_file
def test_no_relative_import(path):
    imports = (node for node in ast.walk(TREES[path]) if hasattr(node, "level"))
    assert not [node.lineno for node in imports if node.level]


@each_file
def test_only_runtime_dependencies_are_imported_with_the_package(path):
    """Matplotlib and other extras are imported inside the functions that need them."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    required = {
        re.match(r"[\w-]+", dependency)[0].replace("scikit-learn", "sklearn")
        for dependency in project["project"]["dependencies"]
    }
    allowed = required | sys.stdlib_module_names | {"sklearn_grn"}
    for name, line in imported_names(outside_functions(TREES[path])):
        library = name.partition(".")[0]
        assert library in allowed, f"{path}:{line} imports {library} on import"


# ------------------------------------------------------------------ public names
def public_objects():
    for module in map(importlib.import_module, PUBLIC):
        for name in getattr(module, "__all__", ()):
            yield f"{module.__name__}.{name}", getattr(module, name)


@pytest.mark.parametrize("module", PUBLIC)
def test_all_is_sorted(module):
    names = importlib.import_module(module).__all__
    assert names == sorted(names)


def test_reference_page_lists_what_is_public():
    text = (CHECKOUT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^ +(sklearn_grn\.[\w.]+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted(name for name, _ in public_objects())


# -------------------------------------------------------------------- docstrings
def documented_callables():
    """Public functions, classes, and what public classes define themselves."""
    for name, thing in public_objects():
        yield pytest.param(thing, id=name)
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            function = getattr(value, "__func__", value)
            if inspect.isfunction(function) and not member.startswith("_"):
                yield pytest.param(function, id=f"{name}.{member}")


@pytest.mark.parametrize("thing", list(documented_callables()))
def test_docstring_says_what_goes_in_and_out(thing):
    text = inspect.getdoc(thing) or ""
    for name in set(inspect.signature(thing).parameters) - {"self", "cls"}:
        written = rf"^(\w+, )*\*{{0,2}}{name}(, \w+)* :"
        assert re.search(written, text, re.MULTILINE), f"{name} is not described"
        assert "\nParameters\n---" in text
    returned = inspect.signature(thing).return_annotation
    if inspect.isfunction(thing) and returned not in (None, "None", "NoReturn"):
        assert "\nReturns\n---" in text or "\nYields\n---" in text


def public_definitions(body):
    """Functions, classes and methods whose names have no underscore in front."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if not node.name.startswith("_"):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


@each_file
def test_every_public_name_has_a_docstring(path):
    defined = public_definitions(TREES[path].body)
    assert not [node.name for node in defined if not ast.get_docstring(node)]


# ------------------------------------------------------------------------- files
@each_file
def test_file_is_not_too_long(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= MOST_LINES, f"{n_lines} lines: split {path} along an idea"


@each_file
def test_no_assert_statement(path):
    """It vanishes under ``python -O``; raise an exception instead."""
    asserts = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.Assert)]
    assert not [node.lineno for node in asserts]

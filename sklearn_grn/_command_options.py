"""What the command line may be told, and what does not go together."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sklearn_grn.export import ending_of, files_of

_DESCRIPTION = """\
Gene regulatory networks read off a precision matrix that is kept in factors.

  sklearn-grn demo                    a network of leukaemia, with what ships
  sklearn-grn network --help          a network of your own table
"""

_NETWORK = """\
Find the network of an expression table, print what it is like, and write it to a file
that other programs read. An edge is a partial correlation: what links two genes when
all others are given.
"""

_EXAMPLES = """\
examples:
  Which edges does a test certify? Samples in rows, genes in columns.
    sklearn-grn network expression.csv --genes columns --output edges.csv

  Genes in rows, as GEO has them; the 500 strongest edges, and a picture.
    sklearn-grn network matrix.tsv.gz --transpose --max-edges 500 --plot network.png

  Raw counts; pathways tell where the genes are, and change the network.
    sklearn-grn network counts.csv --log1p --pathways hallmark.gmt --output net.graphml

  Which transcription factors regulate which genes? The 1,000 best guesses.
    sklearn-grn network expression.csv --regulators tfs.txt --max-edges 1000 \\
        --output net.sif

exit codes: 0 done, 1 the data are not fit for it, 2 the command is not understood.
An error is one line that names the value, and no file is written then.
"""


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the words of a command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None takes those of the process.

    Returns
    -------
    Namespace
        `command` and its options.

    Raises
    ------
    SystemExit
        With code 2 where the words are not understood, or do not go together; with
        code 0 where they ask for help.
    """
    options = _parser().parse_args(arguments)
    if options.command == "network":
        for wrong, problem in _contradictions(options):
            if wrong:
                options.parser.error(problem)
    return options


Contradictions = list[tuple[bool, str]]


def _contradictions(options: argparse.Namespace) -> Contradictions:
    """Return what does not go together, each with whether it was said."""
    return [*_of_ranking(options), *_of_model(options), *_of_files(options)]


def _of_ranking(options: argparse.Namespace) -> Contradictions:
    ranks, factors = options.regulators is not None, _fits_factors(options)
    named = isinstance(options.shrinkage, str) and options.shrinkage != "auto"
    return [
        (
            ranks and options.pathways is not None,
            "--regulators ranks edges without a model that could take --pathways; use "
            "one of them",
        ),
        (
            ranks and options.fdr is not None,
            "--regulators ranks edges and tests none; use --max-edges or --threshold "
            "in place of --fdr",
        ),
        (
            ranks and (factors or options.components is not None),
            "--method and --components do not go with --regulators, which has a score "
            "of its own",
        ),
        (ranks and named, "--regulators takes a number for --shrinkage"),
        (
            options.confounders is not None and (ranks or not _tests(options)),
            "--confounders are for the test of edges; use --fdr",
        ),
    ]


def _of_model(options: argparse.Namespace) -> Contradictions:
    bare = options.pathways is None
    return [
        (
            _fits_factors(options) and options.shrinkage != "auto",
            "--shrinkage does not go with --method factor_analysis, which shrinks "
            "nothing",
        ),
        (
            bare and options.variance_explained is not None,
            "--variance-explained is that of --pathways; give a file of them",
        ),
        (
            bare and options.changes is not None,
            "--changes lists what --pathways change; give a file of them",
        ),
    ]


def _of_files(options: argparse.Namespace) -> Contradictions:
    paths = [options.table, options.changes, options.plot]
    paths += [] if options.output is None else files_of(options.output)
    given = [os.path.realpath(path) for path in paths if path is not None]
    told = options.no_labels or options.labels is not None or options.sep is not None
    return [
        (
            options.no_labels and options.labels is not None,
            "--labels names a column, and --no-labels says that there is none; use one",
        ),
        (
            options.no_labels and options.genes == "rows",
            "genes in rows have their names in a column of labels; leave --no-labels "
            "out",
        ),
        (
            told and options.table.suffix.lower() == ".h5ad",
            "--sep, --labels and --no-labels are for files of text; leave them out",
        ),
        (
            len(set(given)) < len(given),
            "two of the files are the same; each needs a name of its own",
        ),
    ]


def _fits_factors(options: argparse.Namespace) -> bool:
    return options.method == "factor_analysis"


def _tests(options: argparse.Namespace) -> bool:
    """Whether edges are tested: on request, or where nothing is said of them."""
    untold = options.threshold is None and options.max_edges is None
    return options.fdr is not None or untold


# -------------------------------------------------------------------------- the parser
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sklearn-grn",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "demo",
        help="fit a leukaemia table, add known pathways, show what changes",
        description="Fit 128 leukaemia samples that ship with the package, add the "
        "fourteen pathways of PROGENy, and print the network before and after.",
    )
    network = commands.add_parser(
        "network",
        help="find the network of an expression table, and write it to a file",
        description=_NETWORK,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    network.set_defaults(parser=network)
    for add in (_add_table, _add_edges, _add_model, _add_results):
        add(network)
    return parser


def _add_table(network: argparse.ArgumentParser) -> None:
    group = network.add_argument_group(
        "the table", "Numbers, with a line of names above and labels on the left."
    )
    add = group.add_argument
    add(
        "table",
        type=Path,
        metavar="TABLE",
        help="CSV or TSV, plain or .gz; or .h5ad, where anndata is installed",
    )
    side = group.add_mutually_exclusive_group()
    side.add_argument(
        "--genes",
        choices=("columns", "rows"),
        help="where the genes are; asked for unless --pathways or --regulators tell",
    )
    side.add_argument(
        "--transpose",
        dest="genes",
        action="store_const",
        const="rows",
        help="the same as --genes rows",
    )
    add(
        "--sep",
        type=_separator,
        metavar="CHARACTER",
        help="what separates the fields: a character, or tab (default: tab if the "
        "first line has one, comma otherwise)",
    )
    add(
        "--labels",
        metavar="COLUMN",
        help="column with the labels of the rows (default: the first)",
    )
    add("--no-labels", action="store_true", help="no column has labels")
    add("--no-limits", action="store_true", help="files of any size, if you trust them")
    add(
        "--drop",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out a column or row, such as one of text; may be repeated",
    )
    add("--log1p", action="store_true", help="take log(1 + x), for counts")


def _add_edges(network: argparse.ArgumentParser) -> None:
    group = network.add_argument_group(
        "which edges",
        "Without any of these: those that a test certifies at a false discovery rate\n"
        "of 0.05; with --regulators, as many as there are genes.",
    )
    cut = group.add_mutually_exclusive_group()
    cut.add_argument(
        "--fdr",
        type=_number("above 0 and below 1", lambda x: 0 < x < 1),
        metavar="Q",
        help="those that the leave-pair-out test certifies at this rate",
    )
    cut.add_argument(
        "--threshold",
        type=_number("0 or more", lambda x: 0 <= x < math.inf),
        metavar="X",
        help="those with |partial correlation| above X (with --regulators: a score)",
    )
    group.add_argument(
        "--confounders",
        type=Path,
        metavar="FILE",
        help="table of batches, groups and covariates, labels of samples in its first "
        "column, that the test of --fdr regresses out",
    )
    group.add_argument(
        "--max-edges",
        type=_count,
        metavar="N",
        help="the N strongest: of all pairs where it stands alone, else of what --fdr "
        "or --threshold leaves",
    )
    group.add_argument(
        "--regulators",
        type=Path,
        metavar="FILE",
        help="genes that may regulate others, one name a line; edges then have a "
        "direction, and are ranked and not tested",
    )


def _add_model(network: argparse.ArgumentParser) -> None:
    group = network.add_argument_group("the model")
    add = group.add_argument
    add(
        "--method",
        choices=("shrinkage", "factor_analysis"),
        default="shrinkage",
        help="how the covariance is estimated (default: %(default)s)",
    )
    add(
        "--shrinkage",
        type=_shrinkage,
        default="auto",
        metavar="S",
        help="auto, ledoit_wolf, oas, or a number from 0 to 1 (default: auto, as R's "
        "corpcor)",
    )
    add(
        "--components",
        type=_count,
        metavar="K",
        help="keep the K leading axes, or fit K factors (default: all, or as many as "
        "held-out samples ask for)",
    )
    add(
        "--pathways",
        type=Path,
        metavar="FILE",
        help="gene sets (.gmt, .gmt.gz), or a table with columns source, target and "
        "weight: the network before, after, and what changed",
    )
    add(
        "--variance-explained",
        type=_number("above 0 and at most 1", lambda x: 0 < x <= 1),
        metavar="F",
        help="share of its genes' variance that each pathway adds on average "
        "(default: 0.1)",
    )


def _add_results(network: argparse.ArgumentParser) -> None:
    group = network.add_argument_group(
        "results", "Each file is written whole or not at all, at the end."
    )
    add = group.add_argument
    add(
        "--output",
        type=_output,
        metavar="FILE",
        help="the network: .csv or .tsv (edge table), .graphml, .sif (and a table of "
        "its genes, for Cytoscape); .gz may follow the first three",
    )
    add(
        "--changes",
        type=_table_name,
        metavar="FILE",
        help="the pairs that --pathways change most: .csv or .tsv",
    )
    add(
        "--plot",
        type=_picture_name,
        metavar="FILE",
        help="a picture: .png, .pdf or .svg; needs matplotlib",
    )


# ------------------------------------------------------------------------ single values
def _number(allowed: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    """Return what reads a number and says which are allowed."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not fits(number):
            raise argparse.ArgumentTypeError(f"{text!r} must be a number {allowed}")
        return number

    return read


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 on")
    return int(text)


def _shrinkage(text: str) -> str | float:
    if text in ("auto", "ledoit_wolf", "oas"):
        return text
    allowed = "from 0 to 1, or auto, ledoit_wolf or oas"
    return _number(allowed, lambda x: 0 <= x <= 1)(text)


def _separator(text: str) -> str:
    character = {"tab": "\t", r"\t": "\t", "space": " "}.get(text, text)
    if len(character) != 1 or character in '\r\n"':
        raise argparse.ArgumentTypeError(f"{text!r} must be one character, or tab")
    return character


def _output(text: str) -> Path:
    try:
        ending_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(text)


def _table_name(text: str) -> Path:
    if not text.lower().endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz")):
        raise argparse.ArgumentTypeError(f"{text} must end in .csv or .tsv")
    return Path(text)


def _picture_name(text: str) -> Path:
    if not text.lower().endswith((".png", ".pdf", ".svg")):
        raise argparse.ArgumentTypeError(f"{text} must end in .png, .pdf or .svg")
    return Path(text)

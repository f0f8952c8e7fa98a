"""The command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sklearn_grn import _demo


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sklearn-grn``.

    Parameters
    ----------
    arguments : sequence of str, default=None
        Words of the command line; None takes those of the process.

    Returns
    -------
    int
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="sklearn-grn",
        description="Gene regulatory networks read off a precision matrix that is "
        "kept in factors.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "demo",
        help="fit a leukaemia table, add known pathways, show what changes",
        description="Fit 128 leukaemia samples that ship with the package, add the "
        "fourteen pathways of PROGENy, and print the network before and after.",
    )
    parser.parse_args(arguments)
    _demo.run()
    return 0

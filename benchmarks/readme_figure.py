"""Draw the network of README.md: ``python benchmarks/readme_figure.py``.

The two hundred strongest edges of the leukaemia table that ships with the package.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from sklearn_grn import NetworkEdgeSelector
from sklearn_grn.datasets import load_leukemia
from sklearn_grn.displays import NetworkDisplay

PATH = Path(__file__).parents[1] / "docs" / "images" / "network.png"


def main():
    """Draw the figure and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=PATH)
    path = parser.parse_args().path

    expression = load_leukemia(as_frame=True).data
    selector = NetworkEdgeSelector(threshold=0, max_edges=200).fit(expression)
    figure, axes = plt.subplots(figsize=(13, 7.5), layout="constrained")
    # Built in, so that the figure is the same with and without networkx.
    NetworkDisplay.from_estimator(selector, layout="builtin", ax=axes, title="")
    figure.savefig(path, dpi=90)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()

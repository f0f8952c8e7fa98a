"""Tables with known regulatory edges: simulated, of other people, and of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_grn.datasets import make_regulatory_network, make_sparse_network

# DREAM4 gave the genes of its multifactorial tables other names than those of the rest.
DREAM4 = {
    "multifactorial": "gold_multifactorial",
    "knockouts": "gold",
    "knockdowns": "gold",
}


class Known(NamedTuple):
    """A table, and what is known of it.

    Attributes
    ----------
    group, name : str
        Sets of a group are listed together; those of one name are averaged.
    table : ndarray of shape (n_samples, n_genes)
    true : ndarray of shape (n_genes, n_genes), bool
        Whether the gene of the row regulates that of the column.
    judged : ndarray of shape (n_genes, n_genes), bool
        Ordered pairs of which it is known whether they are edges.
    regulators : ndarray or None
        Numbers of the genes that may be sources, as the methods are told.
    """

    group: str
    name: str
    table: NDArray
    true: NDArray
    judged: NDArray
    regulators: NDArray | None = None


Source = Callable[[], Known]  # reads or draws it when its turn comes


# ---------------------------------------------------------------------- simulated sets
def simulated(seeds: int) -> Iterator[tuple[str, int, Source]]:
    """Yield the names, seeds and makers of what the package can simulate."""
    for seed in range(seeds):
        for name, draw in SIMULATIONS.items():
            yield name, seed, partial(draw, name, seed)


def regulatory(name: str, seed: int, listed: bool = False, **options: Any) -> Known:
    data = make_regulatory_network(random_state=seed, **options)
    regulators = data.regulators if listed else None
    return known("simulated", name, data.data, data.network.toarray() != 0, regulators)


def confounded(name: str, seed: int, n_programmes: int, **options: Any) -> Known:
    """Logarithms of a regulatory table, and programmes that it does not know of."""
    drawn = regulatory(name, seed, True, **options)
    rng = np.random.default_rng(seed)
    logs = np.log(drawn.table + 0.01)
    shape = len(logs), n_programmes
    programmes = rng.normal(size=shape) @ rng.normal(size=(shape[1], logs.shape[1]))
    spread = 0.7 * logs.std(axis=0) / n_programmes**0.5
    return drawn._replace(table=logs + spread * programmes)


def undirected(name: str, seed: int, **options: Any) -> Known:
    """Edges of a Gaussian graphical model, true in both directions."""
    data = make_sparse_network(random_state=seed, **options)
    return known("simulated", name, data.data, data.network.toarray() != 0)


SIMULATIONS: dict[str, Callable[[str, int], Known]] = {
    "10 regulators": partial(regulatory, n_samples=100, n_genes=100),
    "10 regulators, listed": partial(
        regulatory, n_samples=100, n_genes=100, listed=True
    ),
    "30 regulators, listed": partial(
        regulatory, n_samples=100, n_genes=120, n_regulators=30, listed=True
    ),
    "one regulator a gene": partial(
        regulatory, n_samples=100, n_genes=120, n_regulators=12, degree=1, noise=0.8
    ),
    "40 knock-outs": partial(
        regulatory, n_samples=100, n_genes=100, n_regulators=20, n_knockouts=40
    ),
    "confounded, listed": partial(
        confounded, n_samples=100, n_genes=120, n_regulators=30, n_programmes=4
    ),
    "graphical model, hubs": partial(
        undirected, n_samples=100, n_genes=120, structure="hubs"
    ),
    "graphical model, scale free": partial(
        undirected, n_samples=100, n_genes=120, structure="scale_free"
    ),
}


# ----------------------------------------------------------------- sets that are read
def reference(folder: Path) -> Iterator[tuple[str, int, Source]]:
    """Yield the sets of DREAM4 and SynTReN, from the folder of reference tables."""
    for size, numbers in ((100, (1, 2)), (10, (1, 2, 3))):
        for number in numbers:
            place = folder / "dream4" / f"size{size}_{number}"
            for kind, gold in DREAM4.items() if size == 100 else [("", "")]:
                files = (place / f"{kind or 'multifactorial'}.tsv.gz",)
                files += (place / f"{gold or 'gold'}.tsv.gz",)
                name = f"DREAM4 {size}_{number} {kind}".strip()
                yield name, 0, partial(read, "reference", name, *files)
    place = folder / "syntren300"
    files = place / "expression.tsv.gz", place / "gold.tsv.gz"
    yield "SynTReN 300", 0, partial(read, "reference", "SynTReN 300", *files)


def own(folder: Path) -> tuple[str, int, Source]:
    """Return the set of a folder that holds expression, gold, and tfs if it has any."""
    listed = next(folder.glob("tfs*"), None)
    files = only(folder, "expression"), only(folder, "gold"), listed
    return folder.name, 0, partial(read, "your own", folder.name, *files)


def only(folder: Path, stem: str) -> Path:
    """Return the file whose name begins with a word."""
    found = sorted(folder.glob(f"{stem}.*"))
    if len(found) != 1:
        raise SystemExit(f"{folder} holds {len(found)} files named {stem}.*, not one")
    return found[0]


def read(
    group: str, name: str, expression: Path, gold: Path, listed: Path | None = None
) -> Known:
    """Read a table of samples x genes, edges, and a list of regulators.

    A gold file that has edges of weight 0 names the pairs to judge, as those of DREAM
    do; of another one all pairs are judged.
    """
    table = pd.read_csv(expression, sep="," if ".csv" in expression.name else "\t")
    if not pd.api.types.is_numeric_dtype(table.iloc[:, 0]):
        table = table.iloc[:, 1:]
    edges = pd.read_csv(gold, sep="\t", dtype={"source": str, "target": str})
    genes = pd.Index(table.columns)
    ends = genes.get_indexer(edges["source"]), genes.get_indexer(edges["target"])
    inside = (ends[0] >= 0) & (ends[1] >= 0)
    rows, columns = (end[inside] for end in ends)
    positive = edges.get("weight", pd.Series(1, edges.index)).to_numpy()[inside] != 0
    true = np.zeros((len(genes), len(genes)), dtype=bool)
    true[rows[positive], columns[positive]] = True
    regulators = None
    if listed is not None:
        numbers = genes.get_indexer(listed.read_text(encoding="utf-8").split())
        regulators = np.unique(numbers[numbers >= 0])
    result = known(group, name, table.to_numpy(float), true, regulators)
    if not positive.all():
        listed_pairs = np.zeros_like(true)
        listed_pairs[rows, columns] = True
        result.judged[...] &= listed_pairs
    return result


def known(
    group: str, name: str, table: NDArray, true: NDArray, regulators: Any = None
) -> Known:
    """Return a set in which all pairs are judged whose source may regulate."""
    judged = ~np.eye(len(true), dtype=bool)
    if regulators is not None:
        judged &= np.isin(np.arange(len(true)), regulators)[:, None]
    return Known(group, name, table, true & judged, judged, regulators)

"""Normal scores of the ranks, gene by gene."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_grn._anndata import as_table

_FLOATS = [np.float64, np.float32]


class NonparanormalTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Replace the values of each gene by normal scores of their ranks.

    The sample of rank r among n gets :math:`\Phi^{-1}(r / (n + 1))`, and equal values
    share the mean of their ranks. Whatever monotone scale a gene was measured on is
    gone then, and so are its outliers. If some such scale makes the genes jointly
    normal, they are nonparanormal [1]_, and the precision of their normal scores tells
    which of them are linked.

    Parameters
    ----------
    winsorize : bool, default=False
        Truncate :math:`r / (n + 1)` to between :math:`\delta_n` and
        :math:`1 - \delta_n`, with :math:`\delta_n = 1 / (4 n^{1/4} \sqrt{\pi \log n})`:
        the estimator of [1]_, whose errors are bounded however many genes there are. It
        makes the extreme samples of a gene equal: 2 of 100 on either side.

    Attributes
    ----------
    quantiles_ : ndarray of shape (n_samples, n_features)
        The values of each gene in the samples of `fit`, sorted: its distribution.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the genes, where `fit` saw a table whose column names are all strings.

    See Also
    --------
    sklearn.preprocessing.QuantileTransformer : Interpolates between quantiles.
    sklearn.preprocessing.PowerTransformer : A smooth scale, which keeps outliers.

    Notes
    -----
    A new value gets the rank that it would share with an equal one of `fit`. So a value
    between two neighbours has the rank in the middle of theirs, one above all has rank
    n + 1/2, and samples of `fit` get the same scores again.

    A gene that does not vary gets 0 in each sample, and whatever new value comes above
    or below its only one is an extreme.

    Ranks forget by how much the one sample in which a gene was knocked out stands out.
    Where that sample is the experiment, keep the values.

    References
    ----------
    .. [1] Liu, H., Lafferty, J. & Wasserman, L. (2009). The nonparanormal:
       semiparametric estimation of high dimensional undirected graphs. Journal of
       Machine Learning Research 10, 2295-2328.

    Examples
    --------
    >>> from sklearn_grn import NonparanormalTransformer
    >>> X = [[1.0, 0.0], [10.0, 0.0], [100.0, 7.0]]
    >>> NonparanormalTransformer().fit_transform(X).round(2)
    array([[-0.67, -0.32],
           [ 0.  , -0.32],
           [ 0.67,  0.67]])
    """

    _parameter_constraints: ClassVar[dict] = {"winsorize": ["boolean"]}
    _doc_link_module = "sklearn_grn"

    def __init__(self, *, winsorize: bool = False) -> None:
        self.winsorize = winsorize

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> NonparanormalTransformer:
        """Learn the distribution of each gene.

        Parameters
        ----------
        X : array-like or AnnData of shape (n_samples, n_features)
            Expression table, samples x genes, on any scale.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        NonparanormalTransformer
            The fitted transformer.
        """
        X = as_table(X)
        X = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=2)
        self.quantiles_ = np.sort(X.T, axis=1).T
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray:
        """Learn the distribution of each gene, and return the normal scores.

        The same as `fit` and then `transform`, from one sort of the table.

        Parameters
        ----------
        X : array-like or AnnData of shape (n_samples, n_features)
            Expression table, samples x genes, on any scale.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Of the data type of `X`.
        """
        X = as_table(X)
        self.fit(X)
        X = validate_data(self, X, reset=False, dtype=_FLOATS)
        scores = normal_scores(np.ascontiguousarray(X.T), self.winsorize)
        return np.ascontiguousarray(scores.T, dtype=X.dtype)

    def transform(self, X: Any) -> NDArray:
        """Return the normal scores of samples.

        Parameters
        ----------
        X : array-like or AnnData of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Of the data type of `X`.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        """
        check_is_fitted(self)
        X = validate_data(self, as_table(X), reset=False, dtype=_FLOATS)
        scores = score_of_doubled_rank(len(self.quantiles_), self.winsorize)
        by_gene = np.empty(X.shape[::-1], dtype=X.dtype)
        genes = map(np.ascontiguousarray, (self.quantiles_.T, X.T))
        for gene, (known, values) in enumerate(zip(*genes, strict=True)):
            ranks = known.searchsorted(values) + known.searchsorted(values, "right")
            by_gene[gene] = scores[ranks]
        return np.ascontiguousarray(by_gene.T)

    def __sklearn_tags__(self) -> Tags:
        """Say that float32 stays float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def normal_scores(rows: NDArray, winsorize: bool = False) -> NDArray[np.float64]:
    """Return the normal scores of the ranks within each row, ties averaged.

    Parameters
    ----------
    rows : ndarray of shape (n_genes, n_samples)
        A gene a row.
    winsorize : bool, default=False
        As in `NonparanormalTransformer`.

    Returns
    -------
    ndarray of shape (n_genes, n_samples)
        The same as from `NonparanormalTransformer`, without fitting one.
    """
    n_samples = rows.shape[1]
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    starts = np.ones(rows.shape, dtype=bool)  # of runs of equal values
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=starts[:, 1:])
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=rows.size)
    doubled = np.repeat(2 * (first % n_samples) + lengths, lengths)
    scores = np.empty(rows.shape)
    by_rank = score_of_doubled_rank(n_samples, winsorize)[doubled].reshape(rows.shape)
    np.put_along_axis(scores, order, by_rank, axis=1)
    return scores


def score_of_doubled_rank(n_samples: int, winsorize: bool = False) -> NDArray:
    """Return the scores of ranks 1/2, 1, 3/2, ..., n + 1/2.

    Parameters
    ----------
    n_samples : int
    winsorize : bool, default=False
        Whether to truncate as Liu, Lafferty & Wasserman (2009), section 4, do.

    Returns
    -------
    ndarray of shape (2 n_samples + 1,)
        At position k the score of rank (k + 1) / 2.
    """
    shares = np.arange(1, 2 * n_samples + 2) / (2 * (n_samples + 1))
    if winsorize:
        least = 1 / (4 * n_samples**0.25 * np.sqrt(np.pi * np.log(n_samples)))
        shares = np.clip(shares, least, 1 - least)
    return ndtri(shares)

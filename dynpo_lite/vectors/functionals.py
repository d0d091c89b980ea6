r"""Risk vectors: convex risk functionals of several lines of business at once.

On a finite space of N states with probabilities :math:`p_s` a risk vector is an array
of shape (N, d), a loss in each state for each of d lines, and scenarios are paired with
risk vectors by

.. math:: \langle Z, X \rangle = \sum_s p_s \sum_{j=1}^d Z_{sj} X_{sj}.
"""

from dataclasses import dataclass

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.lp import InfeasibleProgramme, solve_lp
from dynpo_lite.base.types import Array, ArrayLike, Bools, Kept

SMALL = 200  # sizes up to which importing POT costs more than it saves
TOL = 1e-9  # of the scale of the losses


def max_correlation_risk(
    x: ArrayLike,
    baseline: ArrayLike,
    weights: ArrayLike | None = None,
    baseline_weights: ArrayLike | None = None,
) -> float:
    r"""Risk of a risk vector under its worst coupling with a baseline law.

    .. math:: \Psi_\mu(X) = \sup\{E\langle X, Y\rangle : Y \sim \mu\}

    where :math:`\mu` is the law of the rows of ``baseline``.

    Parameters
    ----------
    x : array_like of shape (N, d)
        Losses of d lines of business in N states.
    baseline : array_like of shape (M, d)
        Points of the law :math:`\mu`, of unit weight in the pairing: the risk has the
        units of ``x`` times those of ``baseline``.
    weights : array_like of shape (N,), optional
        Probabilities of the states, summing to 1; equal by default.
    baseline_weights : array_like of shape (M,), optional
        Probabilities of the points, summing to 1; equal by default.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is no finite matrix, the dimensions differ, or weights are no
        probabilities.

    Notes
    -----
    An optimal-transport problem.  In dimension one the coupling of the sorted values is
    optimal.  Otherwise the exact network solver of POT is used when it is installed
    (the extra ``ot``); without it, scipy's assignment solver for equal sizes and
    weights (and for small ones anyway), or a linear programme.

    References
    ----------
    The abstract of Kiesel and Rueschendorf, On optimal allocations of risk vectors,
    names the measure; the chapter on risk vectors has its properties.

    Examples
    --------
    The larger of the two scenarios meets the larger loss: (2 * 10 + 0 * 4) / 2.

    >>> max_correlation_risk([[4.0], [10.0]], [[2.0], [0.0]])
    10.0
    >>> max_correlation_risk([[4.0, 1.0], [10.0, 0.0]], [[2.0, 0.0], [0.0, 2.0]])
    11.0
    """
    x = validate.finite_array("x", x, ndim=2)
    baseline = validate.finite_array("baseline", baseline, ndim=2)
    if x.shape[1] != baseline.shape[1]:
        raise ValueError(
            f"baseline has dimension {baseline.shape[1]} and x dimension {x.shape[1]}: "
            "give both the same number of columns"
        )
    p = None if weights is None else validate.probabilities("weights", weights, len(x))
    given, n = baseline_weights, len(baseline)
    q = None if given is None else validate.probabilities("baseline_weights", given, n)
    if x.shape[1] == 1:
        return _by_sorting(x[:, 0], baseline[:, 0], p, q)
    return _by_transport(x, baseline, p, q)


def pairing(z: Array, x: Array, p: Array) -> Array:
    """Return <z, x> for arrays of shape (..., N, d); broadcasts."""
    return np.einsum("...sj,...sj,s->...", z, x, p)


# the transport problem ----------------------------------------------------------


def _by_sorting(x: Array, y: Array, p: Array | None, q: Array | None) -> float:
    """Integrate the product of the two quantile functions."""
    if p is None and q is None and len(x) == len(y):
        return float(np.sort(x) @ np.sort(y)) / len(x)
    (x, above), (y, over) = _steps(x, p), _steps(y, q)
    ends = np.union1d(above, over)
    mass = np.diff(ends, prepend=0.0)
    middle = ends - mass / 2
    at_x, at_y = np.searchsorted(above, middle), np.searchsorted(over, middle)
    return float(mass @ (x[at_x] * y[at_y]))


def _steps(x: Array, p: Array | None) -> tuple[Array, Array]:
    """Return rising values and the levels up to which the quantile function is them."""
    order = np.argsort(x, kind="stable")
    level = np.arange(1, len(x) + 1) / len(x) if p is None else np.cumsum(p[order])
    level[-1] = 1.0
    return x[order], np.minimum(level, 1.0)


def _by_transport(x: Array, y: Array, p: Array | None, q: Array | None) -> float:
    """Centre both laws, so that large constants cost no precision, and couple them."""
    equal = len(x) == len(y) and p is None and q is None
    p = np.full(len(x), 1 / len(x)) if p is None else p
    q = np.full(len(y), 1 / len(y)) if q is None else q
    mean_x, mean_y = p @ x, q @ y
    gain = (x - mean_x) @ (y - mean_y).T
    return float(mean_x @ mean_y) + _best_coupling(gain, p, q, equal)


def _best_coupling(gain: Array, p: Array, q: Array, equal: bool) -> float:
    if equal and len(p) <= SMALL:
        return _by_assignment(gain)
    try:
        import ot
    except ImportError:
        return _by_assignment(gain) if equal else _by_linear_programme(gain, p, q)
    top = gain.max()  # POT finds problems with negative costs infeasible at times
    return float(top - ot.emd2(p, q, top - gain, numItermax=10**9))


def _by_assignment(gain: Array) -> float:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return float(gain[rows, columns].mean())


def _by_linear_programme(gain: Array, p: Array, q: Array) -> float:
    from scipy.sparse import eye_array, kron, vstack

    n, m = gain.shape
    rows = kron(eye_array(n), np.ones((1, m)))
    columns = kron(np.ones((1, n)), eye_array(m))
    marginals, scale = vstack([rows, columns]).tocsc(), np.abs(gain).max() or 1.0
    found = solve_lp(-gain.ravel() / scale, a_eq=marginals, b_eq=np.hstack([p, q]))
    return -found.value * scale


# polyhedral functionals ---------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Polyhedral:
    r"""The largest of finitely many affine functions of a risk vector.

    .. math:: \rho(X) = \max_m\, \langle V_m, X\rangle - b_m

    Parameters
    ----------
    vertices : array_like of shape (m, N, d)
        The scenarios :math:`V_m`.
    offsets : array_like of shape (m,)
        The penalties :math:`b_m`, in units of the risk; the risk of 0 is 0 if the
        smallest offset is 0.
    weights : array_like of shape (N,), optional
        Probabilities of the states, positive, summing to 1; equal by default.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, entries are not finite, or weights are no positive
        probabilities.

    References
    ----------
    Relations (2.1) to (2.8) of Kiesel and Rueschendorf, On optimal allocations of risk
    vectors, hold for such functionals; see the chapter on risk vectors.

    Examples
    --------
    The absolute value, on one state and one line, and its conjugate.

    >>> size = Polyhedral([[[1.0]], [[-1.0]]], [0.0, 0.0])
    >>> size.value([[-3.0]]), size.conjugate([[0.5]]), size.conjugate([[2.0]])
    (3.0, 0.0, inf)
    """

    vertices: Kept
    offsets: Kept
    weights: Kept = None

    def __post_init__(self) -> None:
        vertices = validate.finite_array("vertices", self.vertices, ndim=3)
        offsets = validate.finite_array("offsets", self.offsets, (len(vertices),))
        p = state_weights(self.weights, vertices.shape[1])
        vertices, offsets = vertices.copy(), offsets.copy()
        validate.keep(self, vertices=vertices, offsets=offsets, weights=p)

    def value(self, x: ArrayLike) -> float:
        """Return the risk of ``x``, shape (N, d): a float."""
        return float(self._pieces(x).max())

    def conjugate(self, z: ArrayLike) -> float:
        r"""Return :math:`\rho^*(Z) = \sup_X \langle Z, X\rangle - \rho(X)`, (2.1).

        It is the least mean penalty of the mixtures of vertices that equal ``z``, of
        shape (N, d), within 1e-10 of their scale; ``inf`` if there is none.
        """
        z = self._vector("z", z)
        scale = np.abs(self.vertices).max() or 1.0
        flat = self.vertices.reshape(len(self.vertices), -1).T / scale
        mixtures = np.vstack([flat, np.ones(flat.shape[1])])
        mixed = np.append(z.ravel() / scale, 1.0)
        try:
            return solve_lp(self.offsets, a_eq=mixtures, b_eq=mixed).value
        except InfeasibleProgramme:
            return np.inf

    def active(self, x: ArrayLike, tol: float = TOL) -> Bools:
        """Return which pieces attain the maximum at ``x``: bool, shape (m,).

        Up to ``tol`` times the largest of the values compared and 1.
        """
        pieces = self._pieces(x)
        return pieces >= pieces.max() - tol * max(np.abs(pieces).max(), 1.0)

    def directional_derivative(
        self, x: ArrayLike, y: ArrayLike, tol: float = TOL
    ) -> float:
        r"""Return the derivative at ``x`` towards ``y``, from the right: a float.

        It is the largest :math:`\langle V_m, Y\rangle` over the active pieces; ``z`` is
        a subgradient if and only if it lies above :math:`\langle Z, Y\rangle` for
        every ``y``, relation (2.4).
        """
        y = self._vector("y", y)
        return float(pairing(self.vertices[self.active(x, tol)], y, self.weights).max())

    def fenchel_gap(self, z: ArrayLike, x: ArrayLike) -> float:
        r"""Return :math:`\rho(X) + \rho^*(Z) - \langle Z, X\rangle`, at least 0.

        It is 0 if and only if ``z`` is a subgradient at ``x``, relation (2.5); with
        ``z = 0``, if and only if ``x`` is a minimiser, (2.7).

        Examples
        --------
        >>> size = Polyhedral([[[1.0]], [[-1.0]]], [0.0, 0.0])
        >>> size.fenchel_gap([[1.0]], [[3.0]]), size.fenchel_gap([[0.5]], [[3.0]])
        (0.0, 1.5)
        """
        z = self._vector("z", z)
        paired = float(pairing(z, self._vector("x", x), self.weights))
        return self.value(x) + self.conjugate(z) - paired

    def _pieces(self, x: ArrayLike) -> Array:
        x = self._vector("x", x)
        return pairing(self.vertices, x, self.weights) - self.offsets

    def _vector(self, name: str, value: ArrayLike) -> Array:
        return validate.finite_array(name, value, self.vertices.shape[1:])


def state_weights(weights: ArrayLike | None, n: int) -> Array:
    """Return positive probabilities of ``n`` states."""
    p = validate.probabilities("weights", weights, n)
    if (i := validate.first(p == 0)) is not None:
        raise ValueError(f"weights holds 0 at position {i}: leave the state out")
    return p

r"""The two-period example of Section 6.2, in closed form.

:math:`S_1` is exponential with mean ``m``; given :math:`S_1`, :math:`S_2` is
exponential with mean :math:`S_1` (:mod:`dynpo_lite.section6.losses`).  At time 1
agent ``i`` applies Expected Shortfall at a high level where :math:`S_1` exceeds its
quantile at ``agent<i>_threshold``, and the mean elsewhere.

Three readings of "at time 1" are computed:

* ``law="marginal"``: the shortfall is taken under the unconditional law of the share,
  as the displayed formulas of Section 6.2 do;
* ``law="conditional", retention="state-dependent"``: the law given :math:`S_1`, and
  contracts that may depend on :math:`S_1`;
* ``law="conditional", retention="deterministic"``: the law given :math:`S_1`, one
  contract for all values of :math:`S_1`.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.risk.distortions import Expectation, ExpectedShortfall, Mixture
from dynpo_lite.section6.losses import ExponentialPair, root
from dynpo_lite.sharing.layers import Layer, level_bands, stack

EVERYTHING = (0.0, np.inf)
NEGLIGIBLE = 1e-9  # thresholds below count as 0 where contracts cannot see S1
WHOLES = (Layer(*EVERYTHING, (1.0, 0.0)), Layer(*EVERYTHING, (0.0, 1.0)))


class Regime(NamedTuple):
    """Values of ``S1`` between two of its quantiles, and the levels used there."""

    low: float
    high: float
    levels: tuple

    @property
    def probability(self):
        """The probability of the regime."""
        return self.high - self.low


@dataclass(frozen=True)
class TwoPeriodExample:
    r"""Two agents share losses at times 1 and 2 (Section 6.2 of the paper).

    Parameters
    ----------
    mean : float
        Mean ``m`` of ``S1`` and ``S2``, in units of loss, positive.
    agent1_threshold, agent2_threshold : float
        Probabilities in [0, 1]: the high level applies where ``S1`` exceeds its
        quantile at the threshold.
    agent1_level, agent2_level : float
        High confidence levels at time 1, in [0, 1); 0 is the mean.
    agent1_level_time0, agent2_level_time0 : float
        Confidence levels at time 0, in [0, 1).

    Raises
    ------
    TypeError, ValueError
        If a parameter lies outside its domain.

    Notes
    -----
    The methods share the arguments ``law`` and ``retention`` of the module's
    readings; ``retention=None`` means deterministic for the marginal law and
    state-dependent for the conditional one.  The marginal law with state-dependent
    retention is refused.  ``attachment`` replaces the optimal attachment of a
    deterministic contract; who carries the lower and who the upper layer stays.
    Regimes of ``S1`` with probability 0 are left out.

    Each deterministic reading has at most one attachment.  Marginal: the difference
    of the two distortions is piecewise linear with two kinks and vanishes at 0 and 1,
    so it changes sign at most once, between the kinks.  Conditional: see
    :meth:`attachments`.

    Examples
    --------
    >>> example = TwoPeriodExample()
    >>> example.attachments().round(6).tolist()
    [776.613476]
    >>> example.total_risk_to_go([10.0, 100.0, 500.0]).round(4).tolist()
    [200.0, 461.3713, 1067.0261]
    """

    mean: float = 200.0
    agent1_threshold: float = 0.2
    agent1_level: float = 0.9
    agent2_threshold: float = 0.6
    agent2_level: float = 0.99
    agent1_level_time0: float = 0.9
    agent2_level_time0: float = 0.0

    def __post_init__(self):
        _store(self, "mean", 0, np.inf, "neither", "choose a positive mean")
        for agent in ("agent1", "agent2"):
            cure = "choose a probability"
            _store(self, f"{agent}_threshold", 0, 1, "both", cure)
            cure = "choose a confidence level of at least 0 and below 1"
            _store(self, f"{agent}_level", 0, 1, "left", cure)
            _store(self, f"{agent}_level_time0", 0, 1, "left", cure)

    # what the agents look at --------------------------------------------------

    @cached_property
    def losses(self):
        """The law of ``(S1, S2)``."""
        return ExponentialPair(self.mean)

    @property
    def thresholds(self):
        """Both thresholds."""
        return self.agent1_threshold, self.agent2_threshold

    @property
    def levels(self):
        """Both high levels at time 1."""
        return self.agent1_level, self.agent2_level

    @property
    def levels_time0(self):
        """Both levels at time 0."""
        return self.agent1_level_time0, self.agent2_level_time0

    @property
    def distortions(self):
        """The distortions of the expected one-step risks at time 2, marginal law.

        ``k_i(u) = t_i u + (1 - t_i) min(u / (1 - a_i), 1)`` with threshold ``t_i``
        and level ``a_i``.
        """
        return tuple(
            Mixture([Expectation(), ExpectedShortfall(level)], [t, 1 - t])
            for t, level in zip(self.thresholds, self.levels, strict=True)
        )

    @cached_property
    def regimes(self):
        """The regimes of ``S1`` with positive probability, from low to high."""
        cuts = np.unique([0.0, *self.thresholds, 1.0]).tolist()
        return tuple(
            Regime(low, high, self._levels_above(low)) for low, high in pairwise(cuts)
        )

    def _levels_above(self, p):
        return tuple(
            level if p >= t else 0.0
            for t, level in zip(self.thresholds, self.levels, strict=True)
        )

    # contracts ----------------------------------------------------------------

    def layers(self, law="marginal", attachment=None):
        """Return the optimal deterministic contract on ``S2``.

        Parameters
        ----------
        law : {"marginal", "conditional"}
        attachment : float, optional
            Replaces the optimal attachment.

        Returns
        -------
        tuple of Layer
            From 0 to infinity, with the shares of both agents.

        Examples
        --------
        >>> [layer.shares for layer in TwoPeriodExample().layers()]
        [(0.0, 1.0), (1.0, 0.0)]
        """
        validate.choice("law", law, ("conditional", "marginal"))
        layers = (
            self._marginal_layers if law == "marginal" else self._conditional_layers
        )
        if attachment is None:
            return layers
        if attachment != np.inf:
            attachment = validate.number("attachment", attachment, 0)
        below, above = _order(layers)
        return stack([0.0, attachment, np.inf], [below, above])

    @cached_property
    def _marginal_layers(self):
        edges, shares = level_bands(self.distortions)
        ends = [self.losses.s2_quantile(u) for u in edges]
        return stack(ends, shares)

    @cached_property
    def _conditional_layers(self):
        # agent lo turns pessimistic first, agent hi second
        lo, hi = (0, 1) if self.thresholds[0] <= self.thresholds[1] else (1, 0)
        level_lo, level_hi = (
            self.levels[i] if _log_tail(self.levels[i]) > 0 else 0.0 for i in (lo, hi)
        )
        q_lo, q_hi = self.losses.s1_quantile([self.thresholds[lo], self.thresholds[hi]])
        if q_hi < NEGLIGIBLE * self.mean:
            q_lo = q_hi = 0.0
        tie, owner = (0.5, 0.5), {0: (1.0, 0.0), 1: (0.0, 1.0)}
        if q_hi == np.inf:
            level_hi = 0.0  # the second agent never turns pessimistic
        if q_lo == np.inf:
            level_lo = 0.0
        if level_lo == level_hi and (q_lo == q_hi or level_lo == 0):
            return (Layer(*EVERYTHING, tie),)
        if q_lo == q_hi:  # they differ only where the milder level is exceeded
            start = float(q_lo) * _log_tail(min(level_lo, level_hi))
            mild = lo if level_lo < level_hi else hi
            return stack([0.0, start, np.inf], [tie, owner[mild]])
        if level_lo == 0 or level_hi <= level_lo:
            return (Layer(*EVERYTHING, owner[lo if level_lo == 0 else hi]),)
        root = self._deterministic_root(q_lo, q_hi, level_lo, level_hi)
        return (Layer(0.0, root, owner[hi]), Layer(root, np.inf, owner[lo]))

    def _deterministic_root(self, q_lo, q_hi, level_lo, level_hi):
        def excess(s, x, level):
            """The distorted minus the plain tail of S2 given S1 = s."""
            plain = np.exp(-x / s)
            return np.minimum(plain / ExpectedShortfall(level).tail, 1.0) - plain

        def gap(x):
            kinks = [x / _log_tail(level_lo), x / _log_tail(level_hi)]
            first = self.losses.over_s1(
                lambda s: excess(s, x, level_lo), q_lo, q_hi, kinks
            )
            second = self.losses.over_s1(
                lambda s: excess(s, x, level_hi) - excess(s, x, level_lo),
                q_hi,
                np.inf,
                kinks,
            )
            return (first - second) / (first + second)

        low = q_hi * _log_tail(level_lo)  # up to here the second integral vanishes
        high = 2 * low
        while gap(high) > 0:
            high *= 2
        return root(gap, low, high)

    def attachments(self, law="marginal", retention=None):
        r"""Return where the layers change hands: strict sign changes of the comparison.

        Parameters
        ----------
        law, retention : see the class

        Returns
        -------
        ndarray of shape (0,) or (1,)
            In units of loss; empty where one agent carries every layer, where the
            agents tie, and for state-dependent contracts (there one agent carries the
            whole of ``S2``, given ``S1``).  The edge of a tie is no attachment.

        Notes
        -----
        Conditional law, deterministic contract: with
        :math:`\varphi_a(y) = \min(e^{-y}/(1-a), 1) - e^{-y}` and the agent of the
        lower threshold called ``l``, the other ``h``,

        .. math:: H_l - H_h = \int_{q_l}^{q_h} \varphi_{a_l}(x/s)\,dF(s)
                  - \int_{q_h}^\infty (\varphi_{a_h} - \varphi_{a_l})(x/s)\,dF(s)
                  = A(x) - B(x).

        For :math:`a_h \le a_l` it is positive.  Otherwise B vanishes up to
        :math:`x_0 = -q_h \log(1 - a_l)`.  Beyond, A is a mixture of
        :math:`e^{-x/s}`, :math:`s \le q_h`, so :math:`A' \le -A/q_h`; and
        :math:`\psi = \varphi_{a_h} - \varphi_{a_l}` has :math:`\psi' \ge -\psi`, so
        :math:`B' > -B/q_h`.  Hence A/B falls strictly and there is one root.
        Thresholds below 1e-9 count as 0 in this reading.

        References
        ----------
        Step (ii) of the algorithm in Section 6.1; printed value 780.

        Examples
        --------
        >>> example = TwoPeriodExample()
        >>> example.attachments("conditional", "deterministic").round(6).tolist()
        [574.305176]
        """
        if _retention(law, retention) == "state-dependent":
            return np.empty(0)
        layers = self.layers(law)
        return np.array(
            [
                above.attachment
                for below, above in pairwise(layers)
                if {below.shares, above.shares} == {(0.0, 1.0), (1.0, 0.0)}
            ]
        )

    # risk ---------------------------------------------------------------------

    def total_risk_to_go(self, s1, law="marginal", retention=None, attachment=None):
        """Return the total risk-to-go at time 1 given ``S1 = s1``.

        Parameters
        ----------
        s1 : array_like
            Values of ``S1``, at least 0.
        law, retention, attachment : see the class

        Returns
        -------
        ndarray
            Of the shape of ``s1``, in units of loss.

        References
        ----------
        The display after Figure 3 of the paper: 200 / 464.7 / 1074.1.

        Examples
        --------
        >>> example = TwoPeriodExample()
        >>> example.total_risk_to_go(100.0, law="conditional").round(6).tolist()
        100.0
        """
        s1 = validate.finite_array("s1", s1)
        if (s1 < 0).any():
            raise ValueError(f"s1 = {s1.min()} is negative: S1 is a positive loss")
        return self._total(s1, *self._contract(law, retention, attachment))

    def _contract(self, law, retention, attachment):
        """Return the law and the layers, None for state-dependent retention."""
        if _retention(law, retention) == "deterministic":
            return law, self.layers(law, attachment)
        if attachment is not None:
            raise ValueError(
                f"attachment = {attachment!r} goes with a deterministic contract: "
                "add retention='deterministic'"
            )
        return law, None

    def _total(self, s1, law, layers):
        cuts = self.losses.s1_quantile([regime.low for regime in self.regimes[1:]])
        where = np.searchsorted(cuts, s1, side="left")
        result = np.empty(s1.shape)
        for j, regime in enumerate(self.regimes):
            at = where == j
            result[at] = self._regime_total(regime, s1[at], law, layers)
        return result

    def _regime_total(self, regime, s1, law, layers):
        if layers is None:
            return s1 * (1 + _log_tail(min(regime.levels)))
        return sum(
            share * self._layer_risk(level, layer, s1, law)
            for layer in layers
            for share, level in zip(layer.shares, regime.levels, strict=True)
            if share
        )

    def _layer_risk(self, level, layer, s1, law):
        """Expected Shortfall of the part of S2 in a layer."""
        a, b = layer.attachment, layer.exhaustion
        tail = ExpectedShortfall(level).tail
        if law == "marginal":
            q, excess = self.losses.s2_quantile(tail), self.losses.s2_stop_loss
        else:
            q = s1 * _log_tail(level)

            def excess(x):
                with np.errstate(divide="ignore", invalid="ignore"):
                    return np.where(s1 > 0, s1 * np.exp(-x / s1), 0.0)

        full = np.minimum(q, b) - np.minimum(q, a)
        rest = excess(np.maximum(q, a)) - excess(np.maximum(q, b))
        return full + rest / tail

    def expected_total_risk_to_go(
        self, law="marginal", retention=None, attachment=None
    ):
        """Return the mean of the total risk-to-go at time 1.

        Parameters
        ----------
        law, retention, attachment : see the class

        Returns
        -------
        float

        References
        ----------
        The objective (46) of Theorem 5.21, with the sum over agents restored.

        Examples
        --------
        >>> round(TwoPeriodExample().expected_total_risk_to_go(), 9)
        651.358969087
        """
        return self._mean_total(*self._contract(law, retention, attachment))

    def evaluate(self, layers, law="marginal"):
        """Return the expected total risk-to-go of any layer contract on ``S2``.

        Parameters
        ----------
        layers : sequence of Layer
            Adjacent, from 0 to infinity, with two shares each.
        law : {"marginal", "conditional"}
            The law by which the agents judge.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the layers leave a gap or do not have two shares that sum to 1.

        Examples
        --------
        >>> everything_to_agent_1 = [Layer(0.0, float("inf"), (1.0, 0.0))]
        >>> round(TwoPeriodExample().evaluate(everything_to_agent_1), 6)
        837.646806
        """
        validate.choice("law", law, ("conditional", "marginal"))
        layers = tuple(layers)
        ends = [0.0, *(layer.exhaustion for layer in layers)]
        starts = [*(layer.attachment for layer in layers), np.inf]
        if ends != starts:
            raise ValueError(
                f"layers run over {starts[:-1]} to {ends[1:]}: let each begin where "
                "the one before ends, from 0 to infinity"
            )
        for j, layer in enumerate(layers):
            if len(layer.shares) != 2 or abs(sum(layer.shares) - 1) > 1e-12:
                raise ValueError(
                    f"layers[{j}].shares = {layer.shares}: give two shares that sum "
                    "to 1"
                )
        return self._mean_total(law, layers)

    def _mean_total(self, law, layers, above=0.0):
        """Return E[total risk-to-go; S1 beyond its quantile at ``above``]."""
        result = 0.0
        for regime in self.regimes:
            low, high = max(regime.low, above), regime.high
            if low >= high:
                continue
            if layers is None:
                growth = 1 + _log_tail(min(regime.levels))
                result += growth * (
                    self.losses.s1_beyond(low) - self.losses.s1_beyond(high)
                )
            elif law == "marginal":
                value = self._regime_total(regime, np.empty(0), law, layers)
                result += (high - low) * float(value)
            else:
                logs = [_log_tail(level) for level in regime.levels]
                edges = [layer.attachment for layer in layers[1:]]
                result += self.losses.over_s1(
                    lambda s, r=regime: self._regime_total(r, s, law, layers),
                    *self.losses.s1_quantile([low, high]),
                    [edge / log for edge in edges for log in logs if log],
                )
        return float(result)

    def time0_total_risk(self, law="marginal", retention=None, attachment=None):
        r"""Return the least total risk at time 0, given the contract for time 2.

        .. math:: \int_0^\infty \min_i k_0^i(P(S_1 + \bar R_1 > x))\,dx

        Parameters
        ----------
        law, retention, attachment : see the class

        Returns
        -------
        float

        Notes
        -----
        Both agents use Expected Shortfall at time 0, so the smaller level carries
        everything.  :math:`S_1 + \bar R_1` increases with :math:`S_1`, in every
        reading; its shortfall is a mean over the upper part of :math:`S_1`.

        Examples
        --------
        >>> round(TwoPeriodExample().time0_total_risk(), 9)  # agent 2 takes the mean
        851.358969087
        """
        return min(self.time0_assessments(law, retention, attachment))

    def time0_assessments(self, law="marginal", retention=None, attachment=None):
        """Return each agent's own time-0 risk of ``S1`` plus the total risk-to-go.

        Parameters
        ----------
        law, retention, attachment : see the class

        Returns
        -------
        tuple of two floats

        Examples
        --------
        >>> [round(r, 6) for r in TwoPeriodExample().time0_assessments()]
        [1727.543098, 851.358969]
        """
        contract = self._contract(law, retention, attachment)
        return tuple(self._at_time0(level, *contract) for level in self.levels_time0)

    def _at_time0(self, level, law, layers):
        """Expected Shortfall of S1 plus the total risk-to-go of a contract."""
        beyond = self.losses.s1_beyond(level)
        beyond += self._mean_total(law, layers, above=level)
        return float(beyond / ExpectedShortfall(level).tail)

    def stand_alone_risk(self, law="marginal"):
        """Return each agent's time-0 risk of carrying all of ``S1`` and ``S2``.

        A proportional endowment ``w * S_t`` has ``w`` times this risk.

        Parameters
        ----------
        law : {"marginal", "conditional"}

        Returns
        -------
        tuple of two floats

        Examples
        --------
        >>> [round(r, 6) for r in TwoPeriodExample().stand_alone_risk()]
        [1657.575526, 1278.114643]
        """
        validate.choice("law", law, ("conditional", "marginal"))
        return tuple(
            self._at_time0(level, law, (whole,))
            for level, whole in zip(self.levels_time0, WHOLES, strict=True)
        )

    def tail(self, x, law="marginal", retention=None, attachment=None):
        r"""Return :math:`P(S_1 + \bar R_1 > x)`.

        Parameters
        ----------
        x : array_like
        law, retention, attachment : see the class

        Returns
        -------
        ndarray
            Of the shape of ``x``.

        Notes
        -----
        :math:`S_1 + \bar R_1` increases with :math:`S_1`, so the event is an upper
        part of :math:`S_1`; its edge is found by bisection.

        References
        ----------
        Figure 4 of the paper.

        Examples
        --------
        >>> TwoPeriodExample().tail([150.0, 300.0, 700.0]).round(12).tolist()
        [1.0, 0.8, 0.4]
        """
        x = validate.finite_array("x", x)
        contract = self._contract(law, retention, attachment)
        low, high = np.zeros(x.shape), np.maximum(x, 0.0)
        for _ in range(100):  # halving to rounding; the range is at most x
            middle = (low + high) / 2
            above = middle + self._total(middle, *contract) > x
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.exp(-high / self.mean)

    # individual rationality ---------------------------------------------------

    def premium_interval(self, w1, attachment=None):
        """Return the constants ``c`` that keep both agents at least as well off.

        Agent 1 carries its layers of ``S2`` plus ``c``, agent 2 its layers minus
        ``c``; each compares with the endowment ``w_i * S2`` under the marginal law,
        for every value of ``S1``.

        Parameters
        ----------
        w1 : float
            The part of the losses agent 1 is endowed with, in [0, 1].
        attachment : float, optional
            Replaces the optimal one.

        Returns
        -------
        (low, high) : tuple of float
            Premia in units of loss; none exist where ``low > high`` by more than
            rounding.

        References
        ----------
        Equation (47) of the paper.

        Examples
        --------
        >>> low, high = TwoPeriodExample().premium_interval(0.5)
        >>> round(low, 6), round(high, 6)  # a single point
        (70.95874, 70.95874)
        """
        w1 = validate.number("w1", w1, 0, 1)
        whole, kept = self._regime_risks(self.layers("marginal", attachment))
        gains = np.array([[w1], [1 - w1]]) * whole - kept
        return float(-gains[1].min()), float(gains[0].min())

    def agent_risk_to_go(self, attachment=None):
        """Return each agent's risk of its own layers of ``S2``, in every regime.

        Marginal law, premia left out.

        Parameters
        ----------
        attachment : float, optional
            Replaces the optimal one.

        Returns
        -------
        ndarray of shape (2, n_regimes)
            Its columns sum to the total risk-to-go.

        Examples
        --------
        >>> TwoPeriodExample().agent_risk_to_go().round(3).tolist()
        [[29.041, 290.413, 290.413], [170.959, 170.959, 776.613]]
        """
        return self._regime_risks(self.layers("marginal", attachment))[1]

    def risk_interval(self, s1, w1):
        r"""Return the time-1 risks of agent 1 that leave nobody worse off, given S1.

        Conditional law, state-dependent contracts and premia, endowments
        ``w_i * S_t``: from ``V - w_2 s (1 + L_2)`` to ``w_1 s (1 + L_1)``, where
        ``s (1 + L_i)`` is agent i's conditional risk of ``S2`` and ``V`` the smaller
        of both.  The width is the surplus, never negative.

        Parameters
        ----------
        s1 : array_like
            Values of ``S1``, at least 0.
        w1 : float
            The part of the losses agent 1 is endowed with, in [0, 1].

        Returns
        -------
        (low, high) : tuple of ndarray
            Of the shape of ``s1``, in units of loss.

        References
        ----------
        Theorem R of the companion; the repaired Theorem 5.21.

        Examples
        --------
        >>> low, high = TwoPeriodExample().risk_interval([10.0, 100.0], 0.5)
        >>> low.tolist(), high.round(4).tolist()  # no surplus, and 50 log(10)
        ([5.0, 50.0], [5.0, 165.1293])
        """
        w1 = validate.number("w1", w1, 0, 1)
        least = self.total_risk_to_go(s1, "conditional")
        each = [
            self._total(np.asarray(s1, dtype=float), "conditional", (whole,))
            for whole in WHOLES
        ]
        return least - (1 - w1) * each[1], w1 * each[0]

    def _regime_risks(self, layers):
        """Each agent's risk of all of S2 and of its own layers, in every regime."""
        whole, kept = np.zeros((2, 2, len(self.regimes)))
        s1 = np.empty(0)
        for j, regime in enumerate(self.regimes):
            for i, level in enumerate(regime.levels):
                whole[i, j] = self._layer_risk(
                    level, Layer(*EVERYTHING, (0.5, 0.5)), s1, "marginal"
                )
                kept[i, j] = sum(
                    layer.shares[i] * self._layer_risk(level, layer, s1, "marginal")
                    for layer in layers
                    if layer.shares[i]
                )
        return whole, kept

    def endowment_range(self, law="marginal"):
        """Return the shares ``w1`` for which premia exist, endowments ``w_i * S_t``.

        Parameters
        ----------
        law : {"marginal", "conditional"}
            Marginal: deterministic premia at time 2 for the optimal contract, tied
            layers shared in one proportion that may depend on ``w1``.  Conditional:
            premia may depend on ``S1``, and exist for every share.

        Returns
        -------
        (low, high) : tuple of float
            Both nan where no share admits premia.

        References
        ----------
        Equation (47) of the paper; Theorem R of the companion.

        Examples
        --------
        >>> [round(w, 12) for w in TwoPeriodExample().endowment_range()]
        [0.327919896357, 0.724111314461]
        """
        validate.choice("law", law, ("conditional", "marginal"))
        if law == "conditional":
            return 0.0, 1.0
        from scipy.optimize import linprog

        tied = [layer for layer in self._marginal_layers if layer.shares == (0.5, 0.5)]
        owned = [layer for layer in self._marginal_layers if layer not in tied]
        whole, kept = self._regime_risks(owned) / np.float64(self.mean)
        shared = self._regime_risks(tied)[1] * 2 / self.mean
        # variables w1, q (agent 1's part of the ties), c:  kept + ... + c <= endowed
        ones = np.ones(len(self.regimes))
        rows = np.vstack(
            [
                np.column_stack([-whole[0], shared[0], ones]),
                np.column_stack([whole[1], -shared[1], -ones]),
            ]
        )
        limits = np.hstack([-kept[0], whole[1] - kept[1] - shared[1]])
        bounds = [(0, 1), (0, 1), (None, None)]
        ends = []
        for sign in (1, -1):
            found = linprog(
                [sign, 0, 0], rows, limits, bounds=bounds, method="highs-ds"
            )
            ends.append(float(found.x[0]) if found.status == 0 else np.nan)
        return ends[0] + 0.0, ends[1] + 0.0

    def state_dependent_contract_under_marginal_law(self):
        """Return what the state-dependent contract costs by the marginal law.

        The agent with the lower level carries all of ``S2`` given ``S1`` (agent 2
        where they tie), and each share is judged by its unconditional law.

        Returns
        -------
        float
            The expected total risk-to-go.

        Examples
        --------
        >>> round(
        ...     TwoPeriodExample().state_dependent_contract_under_marginal_law(), 6
        ... )
        1082.336547
        """
        owners = [0 if r.levels[0] < r.levels[1] else 1 for r in self.regimes]
        own = [[r for r, o in zip(self.regimes, owners) if o == i] for i in (0, 1)]
        return sum(
            regime.probability * self._shortfall_on(own[i], level)
            for regime in self.regimes
            for i, level in enumerate(regime.levels)
        )

    def _shortfall_on(self, regimes, level):
        """Expected Shortfall of S2 where S1 lies in the regimes, and 0 elsewhere."""

        def over(f):
            return sum(
                self.losses.over_s1(f, *self.losses.s1_quantile([r.low, r.high]))
                for r in regimes
            )

        tail = ExpectedShortfall(level).tail
        if sum(r.probability for r in regimes) <= tail:
            return over(lambda s: s) / tail

        def too_likely(x):
            return over(lambda s: np.exp(-x / s)) - tail

        high = self.mean
        while too_likely(high) > 0:
            high *= 2
        q = root(too_likely, 0.0, high)
        return q + over(lambda s: s * np.exp(-q / s)) / tail

    def simulate(self, n_samples, seed):
        """Estimate the numbers of Section 6.2 from samples of ``(S1, S2)``.

        Parameters
        ----------
        n_samples : int
            At least 100.
        seed : int
            Of ``numpy.random.default_rng``, at least 0.

        Returns
        -------
        Simulation
            Each number as an ``Estimate``: ``value``, ``standard_error``, ``z(other)``.

        Notes
        -----
        Marginal reading: the empirical law of ``S2`` replaces the exact one; the
        standard errors are those of the influence functions, the effect of the
        estimated attachment included.  Conditional readings: the mean over samples of
        ``q + (Y - q)^+ / (1 - level)`` with the conditional quantile ``q``.

        Examples
        --------
        >>> sample = TwoPeriodExample().simulate(1000, seed=1)
        >>> abs(sample.expected_total_risk_to_go_conditional.z(552.9938)) < 4
        True
        """
        from dynpo_lite.section6.simulation import simulate

        return simulate(self, n_samples, seed)


def _store(example, name, low, high, closed, cure):
    value = validate.number(
        name, getattr(example, name), low, high, closed=closed, cure=cure
    )
    object.__setattr__(example, name, value)


def _retention(law, retention):
    validate.choice("law", law, ("conditional", "marginal"))
    if retention is None:
        return "deterministic" if law == "marginal" else "state-dependent"
    validate.choice("retention", retention, ("state-dependent", "deterministic"))
    if law == "marginal" and retention == "state-dependent":
        raise ValueError(
            "retention = 'state-dependent' does not go with law = 'marginal': choose "
            "'deterministic', or law = 'conditional'"
        )
    return retention


def _order(layers):
    """Who carries the lower and who the upper layer, as pairs of shares."""
    owners = [layer.shares for layer in layers if layer.shares != (0.5, 0.5)]
    below = owners[0] if owners else (0.0, 1.0)
    return below, below[::-1]


def _log_tail(level):
    """``-log(1 - level)``: the shortfall of an exponential exceeds its mean by this."""
    return float(-np.log(ExpectedShortfall(level).tail)) + 0.0

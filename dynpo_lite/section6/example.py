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

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from dynpo_lite.base import validate
from dynpo_lite.base.reading import LAWS, reading
from dynpo_lite.risk.distortions import Expectation, ExpectedShortfall, Mixture
from dynpo_lite.section6 import contracts, simulation
from dynpo_lite.section6.assessment import Assessment, Regime
from dynpo_lite.section6.contracts import WHOLES, Layers
from dynpo_lite.section6.losses import Array, ExponentialPair
from dynpo_lite.section6.simulation import Simulation
from dynpo_lite.sharing.layers import Layer, level_bands, stack

Text = str | None  # the types of optional arguments
Number = float | None

# of the parameters whose names hold a word: the upper end, which ends belong, the cure
DOMAINS = {
    "mean": (np.inf, "neither", "choose a positive mean"),
    "threshold": (1, "both", "choose a probability"),
    "level": (1, "left", "choose a confidence level of at least 0 and below 1"),
}


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

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            high, closed, cure = next(DOMAINS[word] for word in DOMAINS if word in name)
            value = validate.number(name, value, 0, high, closed=closed, cure=cure)
            object.__setattr__(self, name, value)

    # what the agents look at --------------------------------------------------

    @cached_property
    def losses(self) -> ExponentialPair:
        """The law of ``(S1, S2)``."""
        return ExponentialPair(self.mean)

    @property
    def thresholds(self) -> tuple[float, float]:
        """Both thresholds, agent 1 first."""
        return self.agent1_threshold, self.agent2_threshold

    @property
    def levels(self) -> tuple[float, float]:
        """Both high levels at time 1, agent 1 first."""
        return self.agent1_level, self.agent2_level

    @property
    def levels_time0(self) -> tuple[float, float]:
        """Both levels at time 0, agent 1 first."""
        return self.agent1_level_time0, self.agent2_level_time0

    @property
    def distortions(self) -> tuple[Mixture, ...]:
        """The distortions of the expected one-step risks at time 2, marginal law.

        ``k_i(u) = t_i u + (1 - t_i) min(u / (1 - a_i), 1)`` with threshold ``t_i``
        and level ``a_i``.
        """
        alarmed = map(ExpectedShortfall, self.levels)
        pairs = zip(self.thresholds, alarmed)
        return tuple(Mixture([Expectation(), k], [t, 1 - t]) for t, k in pairs)

    @cached_property
    def regimes(self) -> tuple[Regime, ...]:
        """The regimes of ``S1`` with positive probability, from low to high."""
        cuts = np.unique([0.0, *self.thresholds, 1.0])
        levels = np.where(cuts[:-1, None] >= self.thresholds, self.levels, 0.0)
        pairs = map(tuple, levels.tolist())
        return tuple(map(Regime, cuts[:-1].tolist(), cuts[1:].tolist(), pairs))

    # contracts ----------------------------------------------------------------

    def layers(self, law: str = "marginal", attachment: Number = None) -> Layers:
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
        validate.choice("law", law, LAWS)
        layers: Layers = getattr(self, f"_{law}_layers")
        if attachment is None:
            return layers
        if not (np.isscalar(attachment) and attachment == np.inf):
            attachment = validate.number("attachment", attachment, 0)
        return contracts.moved(layers, attachment)

    @cached_property
    def _marginal_layers(self) -> Layers:
        edges, shares = level_bands(self.distortions)
        return stack([self.losses.s2_quantile(u) for u in edges], shares)

    @cached_property
    def _conditional_layers(self) -> Layers:
        return contracts.conditional_layers(self.losses, self.thresholds, self.levels)

    def _judge(self, law: str, layers: Layers) -> Assessment:
        validate.choice("law", law, LAWS)
        return Assessment(self.losses, self.regimes, law, layers)

    def _contract(
        self, law: str, retention: Text = None, attachment: Number = None
    ) -> Assessment:
        """Return the assessment of the contract of a reading."""
        law, retention = reading(law, retention)
        if retention == "deterministic":
            return self._judge(law, self.layers(law, attachment))
        if attachment is not None:
            cure = "goes with a deterministic contract: add retention='deterministic'"
            raise ValueError(f"attachment = {attachment!r} {cure}")
        return self._judge(law, ())

    def attachments(self, law: str = "marginal", retention: Text = None) -> Array:
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

        For :math:`a_h \le a_l`, :math:`a_l = 0`, equal thresholds or a higher
        threshold of 1 it changes its sign nowhere.  Otherwise B vanishes up to
        :math:`x_0 = -q_h \log(1 - a_l)`.  Beyond, A is a mixture of
        :math:`e^{-x/s}`, :math:`s \le q_h`, so :math:`A' \le -A/q_h`; and
        :math:`\psi = \varphi_{a_h} - \varphi_{a_l}` has :math:`\psi' \ge -\psi`, so
        :math:`B' > -B/q_h`.  Hence A/B falls strictly and
        there is at most one root.
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
        return contracts.changes_of_hands(self._contract(law, retention).layers)

    # risk ---------------------------------------------------------------------

    def total_risk_to_go(
        self,
        s1: ArrayLike,
        law: str = "marginal",
        retention: Text = None,
        attachment: Number = None,
    ) -> Array:
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
        s = validate.finite_array("s1", s1)
        if (s < 0).any():
            raise ValueError(f"s1 = {s.min()} is negative: S1 is a positive loss")
        return self._contract(law, retention, attachment).total(s)

    def expected_total_risk_to_go(
        self, law: str = "marginal", retention: Text = None, attachment: Number = None
    ) -> float:
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
        return self._contract(law, retention, attachment).mean()

    def evaluate(self, layers: Iterable[Layer], law: str = "marginal") -> float:
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
        return self._judge(law, _complete(layers)).mean()

    def time0_total_risk(
        self, law: str = "marginal", retention: Text = None, attachment: Number = None
    ) -> float:
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

    def time0_assessments(
        self, law: str = "marginal", retention: Text = None, attachment: Number = None
    ) -> tuple[float, ...]:
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
        judge = self._contract(law, retention, attachment)
        return tuple(map(judge.at_time0, self.levels_time0))

    def stand_alone_risk(self, law: str = "marginal") -> tuple[float, ...]:
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
        judges = (self._judge(law, (whole,)) for whole in WHOLES)
        return tuple(map(Assessment.at_time0, judges, self.levels_time0))

    def tail(
        self,
        x: ArrayLike,
        law: str = "marginal",
        retention: Text = None,
        attachment: Number = None,
    ) -> Array:
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
        return self._contract(law, retention, attachment).tail(x)

    # individual rationality ---------------------------------------------------

    def premium_interval(
        self, w1: float, attachment: Number = None
    ) -> tuple[float, float]:
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
        endowed = np.array([[w1], [1 - w1]]) * self._judge("marginal", WHOLES).of_each()
        gains = endowed - self.agent_risk_to_go(attachment)
        return float(-gains[1].min()), float(gains[0].min())

    def agent_risk_to_go(self, attachment: Number = None) -> Array:
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
        return self._contract("marginal", attachment=attachment).of_each()

    def risk_interval(self, s1: ArrayLike, w1: float) -> tuple[Array, Array]:
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
        Theorem "least total" of the companion; the repaired Theorem 5.21.

        Examples
        --------
        >>> low, high = TwoPeriodExample().risk_interval([10.0, 100.0], 0.5)
        >>> low.tolist(), high.round(4).tolist()  # no surplus, and 50 log(10)
        ([5.0, 50.0], [5.0, 165.1293])
        """
        w1 = validate.number("w1", w1, 0, 1)
        least = self.total_risk_to_go(s1, "conditional")
        judges = (self._judge("conditional", (whole,)) for whole in WHOLES)
        first, second = (judge.total(np.asarray(s1, dtype=float)) for judge in judges)
        return least - (1 - w1) * second, w1 * first

    def endowment_range(self, law: str = "marginal") -> tuple[float, float]:
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
        Equation (47) of the paper; Theorem "least total" of the companion.

        Examples
        --------
        >>> [round(w, 12) for w in TwoPeriodExample().endowment_range()]
        [0.327919896357, 0.724111314461]
        """
        if law == "conditional":
            return 0.0, 1.0
        return self._judge(law, self._marginal_layers).endowment_range()

    def state_dependent_contract_under_marginal_law(self) -> float:
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
        return self._judge("marginal", ()).state_dependent_by_marginal_law()

    def simulate(self, n_samples: int, seed: int) -> Simulation:
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
        n_samples = validate.integer("n_samples", n_samples, 100)
        seed = validate.integer("seed", seed, 0)
        marginal = self._contract("marginal")
        conditional = self._contract("conditional", "deterministic")
        return simulation.simulate(marginal, conditional, n_samples, seed)


def _complete(layers: Iterable[Layer]) -> Layers:
    """Return the layers as a tuple if they share out all of a loss between two."""
    given = tuple(layers) if isinstance(layers, Iterable) else (layers,)
    if not all(isinstance(layer, Layer) for layer in given):
        raise TypeError(f"layers = {layers!r}: give a sequence of Layer")
    ends = [0.0, *(layer.exhaustion for layer in given)]
    starts = [*(layer.attachment for layer in given), np.inf]
    if ends != starts or not all(a <= b for a, b in pairwise(ends)):
        cure = "let each begin where the one before ends, from 0 to infinity"
        raise ValueError(f"layers run over {starts[:-1]} to {ends[1:]}: {cure}")
    for j, s in enumerate(layer.shares for layer in given):
        if not (len(s) == 2 and min(s) >= 0 and abs(sum(s) - 1) <= 1e-12):
            cure = "give two shares that sum to 1, none negative"
            raise ValueError(f"layers[{j}].shares = {s}: {cure}")
    return given

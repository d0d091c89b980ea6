"""The front door: an economy in, a dynamic Pareto optimum out."""

from numpy.typing import ArrayLike

from dynpo_lite.base import validate
from dynpo_lite.base.reading import reading
from dynpo_lite.economy.deterministic import DeterministicSolution
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.state_dependent import StateDependentSolution


def solve(
    economy: Economy,
    retention: str | None = None,
    law: str = "conditional",
    individually_rational: bool = True,
    surplus_split: ArrayLike | None = None,
) -> Solution:
    """Return a dynamically Pareto optimal allocation of an economy.

    Parameters
    ----------
    economy : Economy
    retention : {"state-dependent", "deterministic"}, optional
        Whether contracts and premia may depend on the node at which they are made.
        By default state-dependent for conditional laws, else deterministic.
    law : {"conditional", "marginal"}
        Which law the one-step measures look at: the law given the node, or the
        unconditional one (as Section 6.2 of the paper computes).
    individually_rational : bool
        Whether nobody may be worse off than without trade, at any node.  If False,
        layers only: the sure part is shared equally, nobody's endowment matters.
    surplus_split : array_like of shape (n_agents,), optional
        The parts that the agents get, at least 0, summing to 1, of the surplus at each
        node, or of what the bounds (47) on deterministic constants leave; equal by
        default.  Only with individual rationality.

    Returns
    -------
    Solution
        With ``total_risk_to_go``, ``risk_to_go``, ``allocation``, ``surplus``,
        ``layers``, ``premium``, ``risk_interval`` and ``premium_interval``; with
        ``constants`` for deterministic retention.

    Raises
    ------
    ValueError
        For the marginal law with state-dependent retention, or a split that is none.
    Infeasible
        Deterministic retention on conditional laws only: if no individually rational
        allocation of that form exists, or none was found; ``proved`` says which.

    Notes
    -----
    State-dependent: every part of the surplus is individually rational, so nothing is
    infeasible.  Deterministic: constants that satisfy (47) where they exist, else the
    optimum of (44) under individual rationality by a linear programme.  Contracts are
    found backwards in time; where the best ones of later times leave no room for one
    at this time, those of all times from here on are sought together: the least sum of
    expected total risks-to-go, for the order of the totals as found, as without trade,
    and, where there are at most 120, for all orders.  Where several contracts of a time
    are best, the one found may depend on the order of the agents, and with it the
    totals of earlier times.  On marginal laws a contract always exists: the comonotone
    improvement of ``X + R(X)`` is one.

    References
    ----------
    Theorem 5.21 of the paper and its conditional repair.

    Examples
    --------
    >>> from dynpo_lite import Economy, Expectation, ExpectedShortfall, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [Expectation(), ExpectedShortfall(0.5)]
    >>> solution = solve(Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
    >>> solution.total_risk_to_go.tolist(), solution.surplus.tolist()  # 2, not 4
    ([2.0, 0.0, 0.0], [2.0, 0.0, 0.0])
    >>> solution.allocation.tolist()  # agent 1 takes the risk for a premium of 3
    [[0.0, -3.0, 1.0], [0.0, 3.0, 3.0]]
    """
    validate.instance("economy", economy, Economy)
    law, retention = reading(law, retention)
    if surplus_split is not None and not individually_rational:
        raise ValueError(
            "surplus_split goes with individually_rational=True: leave it out"
        )
    split = validate.probabilities("surplus_split", surplus_split, economy.n_agents)
    arguments = law, retention, bool(individually_rational), validate.frozen(split)
    if retention == "state-dependent":
        return StateDependentSolution(economy, *arguments)
    return DeterministicSolution(economy, *arguments)

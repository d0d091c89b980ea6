"""The front door: an economy in, a dynamic Pareto optimum out."""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.reading import reading
from dynpo_lite.base.types import Array, ArrayLike
from dynpo_lite.economy.deterministic import DeterministicSolution
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.state_dependent import StateDependentSolution


def solve(
    economy: Economy,
    retention: str | None = None,
    law: str = "conditional",
    individually_rational: bool = True,
    surplus_split: str | ArrayLike | None = None,
    ties: str | ArrayLike = "equal",
    premia: str = "stage",
) -> Solution:
    """Return the best contract of a reading, by default a dynamic Pareto optimum.

    Two choices are the best of their kind and, in general, no dynamic Pareto optimum:
    deterministic contracts on conditional laws, which an allocation that sees the node
    can improve on, and contracts without individual rationality.

    Parameters
    ----------
    economy : Economy
        On a lattice the default reading only.
    retention : {"state-dependent", "deterministic"}, optional
        Whether contracts and premia may depend on the node at which they are made.
        By default state-dependent for conditional laws, else deterministic.
    law : {"conditional", "marginal"}
        Which law the one-step measures look at: the law given the node, or the
        unconditional one (as Section 6.2 of the paper computes).
    individually_rational : bool
        Whether nobody may be worse off than without trade, at any node.  If False,
        layers only: the sure part is shared like ties, nobody's endowment matters.
    surplus_split : {"equal", "load"} or array_like, optional
        The parts that the agents get, at least 0, summing to 1, of the surplus at each
        node: (n_agents,), or (n_agents, n_nodes) with state-dependent contracts; of
        deterministic constants, of what the bounds (47) leave.  "load": in proportion
        to each agent's risk without trade less its expected losses, at the node (at the
        root, with deterministic contracts).  Only with individual rationality.
    ties : {"equal", "load"} or array_like of shape (n_agents,)
        How agents who find a layer equally cheap share it; "load": in proportion to the
        loads at the root.  Other than equal with state-dependent contracts only.
    premia : {"stage", "node"}
        With deterministic retention on conditional laws: whether premia are fixed for
        all states of a stage, like the layers, or may depend on the node.

    Returns
    -------
    Solution
        With ``total_risk_to_go``, ``risk_to_go``, ``allocation``, ``surplus``,
        ``layers``, ``premium``, ``risk_interval`` and ``premium_interval``; with
        ``constants`` for deterministic retention.

    Raises
    ------
    ValueError
        For the marginal law with state-dependent retention, options that do not go
        together, weights that are none, or another reading on a lattice.
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
    totals of earlier times.  On marginal laws a contract always exists: at each
    time the comonotone improvement of ``X_t + R_t(Y)``, Y the later contracts, is one,
    as every agent finds it no worse than ``X_t + R_t(Y)`` and that no worse than
    ``X_t + R_t(X)``.

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
    by_node = retention == "state-dependent"
    if (law, by_node) != ("conditional", True):
        _ = economy.tree  # other readings need one
    if validate.choice("premia", premia, ("stage", "node")) == "node" and (
        by_node or law == "marginal" or not individually_rational
    ):
        raise ValueError(
            "premia = 'node' goes with retention='deterministic', the conditional law "
            "and individual rationality: leave it out"
        )
    if surplus_split is not None and not individually_rational:
        raise ValueError(
            "surplus_split goes with individually_rational=True: leave it out"
        )
    if not (by_node or (isinstance(ties, str) and ties == "equal")):
        raise ValueError(
            "ties go with state-dependent retention: leave them out, contracts that "
            "are fixed share them equally"
        )
    given = "equal" if surplus_split is None else surplus_split
    split = weights_of("surplus_split", given, economy, law, by_node)
    tied = weights_of("ties", ties, economy, law, False)
    kind: type[Solution] = StateDependentSolution if by_node else DeterministicSolution
    rational = bool(individually_rational)
    return kind(economy, law, retention, rational, split, tied, premia)


def weights_of(
    name: str, given: str | ArrayLike, economy: Economy, law: str, by_node: bool
) -> Array:
    """Return weights that sum to 1, (n_agents,) or, by node, (n_agents, n_nodes).

    Equal ones stay (n_agents,), in any case.
    """
    n, n_nodes = economy.n_agents, economy.scenarios.n_nodes
    if isinstance(given, str):
        if validate.choice(name, given, ("equal", "load")) == "equal":
            return validate.frozen(np.full(n, 1.0 / n))
        load = economy.loads(law) if by_node else economy.loads(law)[:, 0]
        total = load.sum(axis=0)
        return validate.frozen(
            np.where(total > 0, load, 1.0) / np.where(total > 0, total, n)
        )
    if not by_node or np.ndim(given) < 2:
        return validate.frozen(validate.probabilities(name, given, n))
    array = validate.finite_array(name, given, shape=(n, n_nodes)).copy()
    inner = slice(economy.scenarios.n_inner)
    array[:, inner.stop :] = 1.0 / n
    off = (np.abs(array.sum(axis=0) - 1) > 1e-9) | (array < 0).any(axis=0)
    if (v := validate.first(off)) is not None:
        raise ValueError(
            f"{name}[:, {v}] = {array[:, v].tolist()}: give each non-terminal node "
            "parts of at least 0 that sum to 1"
        )
    return validate.frozen(array)

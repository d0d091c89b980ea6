"""Faults that the checks of audit/section_5_market must notice."""

import dataclasses

import numpy as np

import dynpo_lite as dp
from dynpo_lite.economy import certificate as certificates
from dynpo_lite.economy.state_dependent import StateDependentSolution
from dynpo_lite.risk import distortions
from dynpo_lite.sharing import improvement


def _improves_nothing(patch):
    patch.setattr(
        dp, "comonotone_improvement", lambda shares, weights=None: np.array(shares)
    )


def _shares_in_proportion(patch):
    def proportional(shares, weights=None):
        shares = np.asarray(shares)
        part = np.arange(1.0, len(shares) + 1)
        return np.outer(part / part.sum(), shares.sum(axis=0))

    patch.setattr(dp, "comonotone_improvement", proportional)


def _three_share_equally(patch):
    improve = improvement._improve

    def equal(s, x, w):
        return np.tile(s / len(x), (len(x), 1)) if len(x) > 2 else improve(s, x, w)

    patch.setattr(improvement, "_improve", equal)


def _convex_mixtures(patch):
    patch.setattr(distortions.Mixture, "values", lambda self, u: u**2)


def _hands_out_too_much(patch):
    solve = dp.solve

    def generous(economy, *args, surplus_split=None, **options):
        solution = solve(economy, *args, surplus_split=surplus_split, **options)
        if surplus_split is not None:
            vars(solution)["surplus_split"] = 1.1 * solution.surplus_split
        return solution

    patch.setattr(dp, "solve", generous)


def _exaggerates_splits_later(patch):
    def risk_to_go(self):
        n, split = self.economy.n_agents, self.surplus_split[:, None]
        split = np.repeat(split, self.economy.tree.n_nodes, axis=1)
        split[:, 1:] += 20 * (split[:, 1:] - 1 / n)  # equal splits stay
        return self.risk_without_trade - split * self.surplus

    patch.setattr(StateDependentSolution, "risk_to_go", property(risk_to_go))


def _trade_without_cash(patch):
    trade_at = certificates._improving_trade

    def forgetful(*args):
        trade = trade_at(*args)
        payments = trade.payments - trade.payments.mean(axis=1, keepdims=True)
        return dataclasses.replace(trade, payments=payments)

    patch.setattr(certificates, "_improving_trade", forgetful)


def _trade_the_other_way(patch):
    trade_at = certificates._improving_trade

    def reversed_(*args):
        trade = trade_at(*args)
        return dataclasses.replace(trade, payments=-trade.payments)

    patch.setattr(certificates, "_improving_trade", reversed_)


def _layers_to_the_first_agent(patch):
    share = dp.share_layers

    def first(x, measures, weights=None):
        shared = share(x, measures, weights)
        everything = np.zeros_like(shared.allocation)
        everything[0] = x
        return dataclasses.replace(shared, allocation=everything)

    patch.setattr(dp, "share_layers", first)


def _representative_averages(patch):
    patch.setattr(
        dp,
        "Minimum",
        lambda ks: dp.Mixture(list(ks), [1 / len(ks)] * len(ks)),
    )


def _deterministic_by_marginal_laws(patch):
    solve = dp.solve

    def wrong_law(economy, *args, retention=None, law="conditional", **options):
        if retention == "deterministic":
            law = "marginal"
        return solve(economy, *args, retention=retention, law=law, **options)

    patch.setattr(dp, "solve", wrong_law)


def _certificate_wants_comonotone(patch):
    check = dp.check_allocation

    def strict(*args, **options):
        report = check(*args, **options)
        optimal = report.pareto_optimal and report.comonotone
        return dataclasses.replace(report, pareto_optimal=optimal)

    patch.setattr(dp, "check_allocation", strict)


def _wang_without_shift(patch):
    patch.setattr(
        distortions.Wang, "values", lambda self, u: np.asarray(u, dtype=float)
    )


def _everything_is_comonotone(patch):
    patch.setattr(dp, "is_comonotone", lambda shares, tol=1e-9: True)


def _everything_is_ordered(patch):
    patch.setattr(dp, "convex_order_gap", lambda *args: 0.0)


def _dual_power_is_the_mean(patch):
    patch.setattr(
        distortions.DualPower, "values", lambda self, u: np.asarray(u, dtype=float)
    )


def _verdict(change):
    """Return a fault: a report in which something is changed."""

    def patched(patch):
        check = dp.check_allocation

        def wrong(economy, *args, **options):
            report = check(economy, *args, **options)
            return dataclasses.replace(report, **change(economy, report))

        patch.setattr(dp, "check_allocation", wrong)

    return patched


def _alike(economy):
    """Tell whether two agents use one and the same measure at some node."""
    agents = [agent for agent in economy.agents if isinstance(agent, dict)]
    return any(
        agent[v] is other[v]
        for k, agent in enumerate(agents)
        for other in agents[:k]
        for v in agent
    )


_myopic_asks_every_node = _verdict(
    lambda economy, report: {"myopic_pareto_optimal": report.pareto_optimal}
)
_only_time_0_is_asked = _verdict(
    lambda economy, report: {"pareto_optimal": report.myopic_pareto_optimal}
)
_the_root_is_blamed = _verdict(
    lambda economy, report: {"worst_node": None if report.worst_node is None else 0}
)
_ties_are_gaps = _verdict(
    lambda economy, report: {
        "pareto_optimal": report.pareto_optimal and not _alike(economy)
    }
)


def _sharing_nothing_is_comonotone(patch):
    tell = dp.is_comonotone

    def careless(shares, tol=1e-9):
        return not np.any(np.sum(shares, axis=0)) or tell(shares, tol)

    patch.setattr(dp, "is_comonotone", careless)


def _shares_anew(patch):
    """What rises already is shared anew."""
    improve = dp.comonotone_improvement

    def again(shares, weights=None):
        shares = np.array(shares, dtype=float)
        if not dp.is_comonotone(shares):
            return improve(shares, weights)
        mean = np.average(shares, axis=1, weights=weights)
        total = shares.sum(axis=0)
        rise = total - np.average(total, weights=weights)
        return mean[:, None] + rise / len(shares)

    patch.setattr(dp, "comonotone_improvement", again)


FAULTS = [
    ("definition-5-1", "every sharing is called comonotone", _everything_is_comonotone),
    ("definition-5-2", "every pair is called ordered", _everything_is_ordered),
    ("definition-5-5", "DualPower does not distort", _dual_power_is_the_mean),
    ("lemma-5-3", "the improvement changes nothing", _improves_nothing),
    ("lemma-5-3", "the improvement shares in proportion", _shares_in_proportion),
    ("corollary-5-4", "more than two agents share equally", _three_share_equally),
    ("lemma-5-3", "what rises already is shared anew", _shares_anew),
    ("assumption-5-6", "mixtures distort convexly", _convex_mixtures),
    (
        "definition-5-7",
        "myopic optimality is asked for at every node",
        _myopic_asks_every_node,
    ),
    (
        "proposition-totals-decide",
        "to share nothing is called comonotone",
        _sharing_nothing_is_comonotone,
    ),
    ("definition-5-9", "optimality is asked for at time 0 only", _only_time_0_is_asked),
    ("definition-5-10", "a waste is blamed on the root", _the_root_is_blamed),
    ("lemma-5-11", "a tie between agents is taken for a waste", _ties_are_gaps),
    ("proposition-5-8", "more than the surplus is handed out", _hands_out_too_much),
    (
        "lemma-5-11",
        "after time 0 unequal splits are exaggerated beyond rationality",
        _exaggerates_splits_later,
    ),
    ("lemma-5-12", "the improving trade forgets the cash", _trade_without_cash),
    ("lemma-5-12", "the improving trade goes the other way", _trade_the_other_way),
    (
        "proposition-5-13",
        "all layers go to the first agent",
        _layers_to_the_first_agent,
    ),
    (
        "theorem-5-14",
        "the representative agent averages the distortions",
        _representative_averages,
    ),
    (
        "corollary-5-15",
        "deterministic contracts are priced by unconditional laws",
        _deterministic_by_marginal_laws,
    ),
    (
        "theorem-5-16",
        "the certificate refuses what is not comonotone",
        _certificate_wants_comonotone,
    ),
    ("corollary-5-17", "Wang's distortion does not distort", _wang_without_shift),
]

"""Faults that the checks of audit/section_6 must notice."""

import numpy as np

import dynpo_lite as dp
from dynpo_lite.companion.chapters import example_figures as figures
from dynpo_lite.companion.chapters import layer_programme, printed_numbers
from dynpo_lite.section6 import contracts, simulation
from dynpo_lite.section6.losses import ExponentialPair

Example = dp.TwoPeriodExample


def returned(owner, name, change):
    """Return a fault: a function's result is changed."""

    def apply(patch):
        original = getattr(owner, name)

        def wrong(*arguments, **options):
            return change(original(*arguments, **options))

        patch.setattr(owner, name, wrong)

    return apply


def samples_are_independent(patch):
    def sample(self, n_samples, seed):
        rng = np.random.default_rng(seed)
        return self.mean * rng.standard_exponential((2, n_samples))

    patch.setattr(ExponentialPair, "sample", sample)


def thresholds_are_ignored(patch):
    patch.setattr(
        Example,
        "distortions",
        property(lambda self: tuple(map(dp.ExpectedShortfall, self.levels))),
    )


def attachment_as_printed(self, law="marginal", retention=None):
    return np.array([780.0]) if law == "marginal" else np.empty(0)


def attachment_is_the_printed_one(patch):
    patch.setattr(Example, "attachments", attachment_as_printed)


def agent_1_keeps_everything(patch):
    everything = dp.Layer(0.0, np.inf, (1.0, 0.0))
    patch.setattr(Example, "_marginal_layers", (everything,))


def tail_of_an_exponential_loss(patch):
    original = figures.tails_time2

    def tails(example, n_points=400):
        drawn = original(example, n_points)
        u = np.exp(-drawn["x"] / example.mean)
        return drawn | {"k": np.array([k(u) for k in example.distortions])}

    patch.setattr(figures, "tails_time2", tails)


def time_2_is_forgotten(patch):
    def tail(self, x, *reading, **options):
        return np.exp(-np.maximum(x, 0.0) / self.mean)

    patch.setattr(Example, "tail", tail)


def risk_to_go_is_not_paid(drawn):
    return drawn | {"paid": drawn["kept"]}


def printed_digits_swapped(patch):
    patch.setitem(printed_numbers.PRINTED, "attachment", 870.0)


def tenth_of_the_error(estimate):
    return estimate._replace(standard_error=estimate.standard_error / 10)


def gains_do_not_count(patch):
    original = dp.choquet

    def choquet(x, measure, weights=None):
        return original(np.maximum(x, 0), measure, weights)

    patch.setattr(dp, "choquet", choquet)


def premium_is_the_share(patch):
    patch.setattr(
        Example, "premium_interval", lambda self, w1, attachment=None: (w1, w1)
    )


def agent_1_accepts_anything(interval):
    return interval[0], interval[1] + 1.0


def rationality_is_forgotten(patch):
    original = dp.solve

    def solve(economy, retention=None, **options):
        if retention == "deterministic":
            options["individually_rational"] = False
        return original(economy, retention, **options)

    patch.setattr(dp, "solve", solve)


def dearer_agent_keeps_all(patch):
    def dearer(self, law="marginal", *contract, **options):
        assessed = self.time0_assessments(law, *contract, **options)
        return max(assessed) if law == "marginal" else min(assessed)

    patch.setattr(Example, "time0_total_risk", dearer)


def other_agents_keep_nothing(patch):
    original = Example.__dict__["_marginal_layers"].func

    def layers(self):
        everything = (dp.Layer(0.0, np.inf, (1.0, 0.0)),)
        drawn = self.agent1_threshold not in (0.0, 0.2)  # the paper's, an exercise's
        return everything if drawn else original(self)

    patch.setattr(Example, "_marginal_layers", property(layers))


def distortions_with_two_kinks(patch):
    shortfalls = [dp.ExpectedShortfall(level) for level in (0.5, 0.9, 0.99)]
    first = dp.Mixture(shortfalls[::2], [0.5, 0.5])
    second = dp.Mixture([dp.Expectation(), shortfalls[1]], [0.2, 0.8])
    patch.setattr(Example, "distortions", property(lambda self: (first, second)))


def moved_attachments_cost_more(patch):
    original = Example.agent_risk_to_go

    def risks(self, attachment=None):
        found = original(self, attachment)
        return found if attachment in (None, 780.0) else 1.01 * found

    patch.setattr(Example, "agent_risk_to_go", risks)


def solved_for_others_without_news(patch):
    original = dp.solve

    def solve(economy, retention=None, **options):
        if len(economy.scenarios.nodes(1)) == 1:
            agents = economy.agents[::-1]
            economy = dp.Economy(economy.scenarios, economy.endowments, agents)
        return original(economy, retention, **options)

    patch.setattr(dp, "solve", solve)


def everybody_is_counted(patch):
    original = layer_programme.least_total

    def least(costs, counted):
        return original(costs, range(len(costs)))

    patch.setattr(layer_programme, "least_total", least)


FAULTS = [
    (
        "lemma-tail-of-second-loss",
        "tail 1 % too small",
        returned(ExponentialPair, "s2_tail", lambda tail: 0.99 * tail),
    ),
    (
        "lemma-tail-of-second-loss",
        "excess 1 % too large",
        returned(ExponentialPair, "s2_stop_loss", lambda excess: 1.01 * excess),
    ),
    (
        "lemma-tail-of-second-loss",
        "the second loss does not see the first",
        samples_are_independent,
    ),
    ("figure-1", "thresholds are ignored", thresholds_are_ignored),
    ("figure-1", "the printed attachment is exact", attachment_is_the_printed_one),
    ("figure-2", "agent 1 keeps everything", agent_1_keeps_everything),
    ("figure-2", "the second loss is exponential", tail_of_an_exponential_loss),
    (
        "figure-3",
        "layers to the wrong agent",
        returned(figures, "retained", lambda kept: kept[::-1]),
    ),
    (
        "figure-3",
        "a hundredth is lost",
        returned(figures, "retained", lambda kept: 0.99 * kept),
    ),
    (
        "theorem-lower-bound",
        "expected total 0.1 % too small",
        returned(Example, "expected_total_risk_to_go", lambda total: 0.999 * total),
    ),
    ("figure-4", "the risk-to-go is left out", time_2_is_forgotten),
    (
        "figure-5",
        "the risk-to-go is not paid",
        returned(figures, "retention_time1", risk_to_go_is_not_paid),
    ),
    (
        "figure-5",
        "shares do not sum to 1",
        returned(figures, "time1_shares", lambda share: 0.9 * share),
    ),
    (
        "numbers-6-2",
        "standard errors ten times too small",
        returned(simulation, "_estimate", tenth_of_the_error),
    ),
    (
        "numbers-6-2",
        "printed digits swapped",
        printed_digits_swapped,
    ),
    (
        "lemma-one-crossing-conditional",
        "attachment half as high again",
        returned(contracts, "deterministic_root", lambda root: 1.5 * root),
    ),
    ("proposition-cash-swaps", "gains do not count", gains_do_not_count),
    ("proposition-one-premium", "the premium is the share", premium_is_the_share),
    (
        "proposition-one-premium",
        "agent 1 accepts one unit more",
        returned(Example, "premium_interval", agent_1_accepts_anything),
    ),
    (
        "proposition-one-premium",
        "every endowment has a premium",
        returned(Example, "endowment_range", lambda window: (0.0, 1.0)),
    ),
    (
        "proposition-no-trade",
        "deterministic and not rational",
        rationality_is_forgotten,
    ),
    (
        "proposition-repaired-comparison",
        "the dearer agent keeps all",
        dearer_agent_keeps_all,
    ),
    (
        "proposition-repaired-comparison",
        "agent 1 keeps all of time 2",
        other_agents_keep_nothing,
    ),
    (
        "proposition-repaired-comparison",
        "large first losses 1 % too large",
        returned(ExponentialPair, "s1_beyond", lambda beyond: 1.01 * beyond),
    ),
    ("proposition-6-1", "layers to the wrong agents", solved_for_others_without_news),
    ("lemma-one-crossing", "distortions with two kinks", distortions_with_two_kinks),
    (
        "proposition-not-unique",
        "risks of a moved attachment 1 % too large",
        moved_attachments_cost_more,
    ),
    (
        "proposition-not-unique",
        "every contract can be improved by 1",
        returned(layer_programme, "largest_gain", lambda gain: gain + 1),
    ),
    (
        "lemma-sum-over-all",
        "everybody is counted, whoever is asked for",
        everybody_is_counted,
    ),
]

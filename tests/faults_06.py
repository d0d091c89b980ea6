"""Faults that the checks of chapter 06 must notice: (label, description, apply)."""

import numpy as np

import dynpo_lite as dp
from dynpo_lite.companion.chapters import example_figures as figures
from dynpo_lite.companion.chapters import printed_numbers
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
]

"""Faults that the checks of audit/section_5_solution must notice."""

import numpy as np

import dynpo_lite as dp
from dynpo_lite.economy import deterministic
from dynpo_lite.risk import distortions, measures


def no_improvement(patch):
    patch.setattr(dp, "comonotone_improvement", lambda s, weights=None: np.array(s))


def improvement_adds_something(patch):
    original = dp.comonotone_improvement

    def improvement(shares, weights=None):
        return 1.01 * original(shares, weights)

    patch.setattr(dp, "comonotone_improvement", improvement)


def choquet_without_weights(patch):
    original = dp.choquet
    patch.setattr(dp, "choquet", lambda x, k, weights=None: original(x, k))


def negative_losses_do_not_count(patch):
    original = dp.choquet

    def choquet(x, k, weights=None):
        return original(np.maximum(x, 0), k, weights)

    patch.setattr(dp, "choquet", choquet)


def supremum_forgets_the_last(patch):
    original = measures.parts_of

    def parts_of(measure, name="measure"):
        parts = original(measure, name)
        return parts[:-1] if len(parts) > 2 else parts

    patch.setattr(measures, "parts_of", parts_of)


def piecewise_linear_is_bent(patch):
    def bent(self, s):
        return np.where(s > 0, np.interp(s, self.s, self.k) ** 1.01, 0.0)

    patch.setattr(distortions.PiecewiseLinear, "values", bent)


def layers_to_the_wrong_agent(patch):
    original = deterministic.equal_shares
    patch.setattr(deterministic, "equal_shares", lambda k: original(k)[::-1])


def nodes_weighted_equally(patch):
    original = deterministic._Stage.__init__

    def init(self, *arguments):
        original(self, *arguments)
        self.chance = np.full(len(self.chance), 1 / len(self.chance))

    patch.setattr(deterministic._Stage, "__init__", init)


def constants_too_large(patch):
    original = deterministic._Stage.constants

    def constants(self, shares, limits, split):
        found = original(self, shares, limits, split)
        return found if limits is None else found + 1e-3

    patch.setattr(deterministic._Stage, "constants", constants)


def suprema_are_their_first_distortion(patch):
    original = deterministic._differences

    def differences(parts, j, level):
        return original(parts[:1], j, level)

    patch.setattr(deterministic, "_differences", differences)


def earlier_times_forget_later_risk(patch):
    original = deterministic._Stage.__init__

    def init(self, economy, law, t, total):
        original(self, economy, law, t, economy.aggregate[economy.tree.nodes(t)])

    patch.setattr(deterministic._Stage, "__init__", init)


FAULTS = [
    ("lemma-5-18", "allocations are left as they are", no_improvement),
    ("lemma-5-18", "what is carried exceeds the total", improvement_adds_something),
    ("definition-5-19", "probabilities are ignored", choquet_without_weights),
    ("definition-5-19", "gains are ignored", negative_losses_do_not_count),
    ("lemma-5-20", "a supremum forgets its last part", supremum_forgets_the_last),
    ("lemma-5-20", "distortions bent by 1 %", piecewise_linear_is_bent),
    ("theorem-5-21", "layers to the wrong agent", layers_to_the_wrong_agent),
    ("theorem-5-21", "nodes weighted equally", nodes_weighted_equally),
    ("theorem-5-21", "constants above their bounds", constants_too_large),
    (
        "proposition-repaired-solution",
        "suprema are their first distortion",
        suprema_are_their_first_distortion,
    ),
    (
        "proposition-repaired-solution",
        "earlier times forget later risk",
        earlier_times_forget_later_risk,
    ),
]

"""Faults that the checks of audit/risk_vectors must notice."""

from dataclasses import replace

import numpy as np

import dynpo_lite as dp
from dynpo_lite.vectors import functionals as vectors
from dynpo_lite.vectors import sharing as vector_sharing

CONJUGATE, GAP = dp.Polyhedral.conjugate, dp.Polyhedral.fenchel_gap
SHARE, CORRELATION = dp.vector_inf_convolution, dp.max_correlation_risk


def shared_otherwise(patch, change):
    """Change what the solver returns, given the agents and the exposure."""

    def share(x, agents, weights=None, exposure=None):
        found = SHARE(x, agents, weights, exposure)
        return change(found, np.asarray(x), agents, exposure)

    patch.setattr(dp, "vector_inf_convolution", share)


def polyhedral(agents):
    return isinstance(agents[0], dp.Polyhedral)


def probabilities_do_not_count(patch):
    original = vectors.pairing
    patch.setattr(
        vectors, "pairing", lambda z, x, p: original(z, x, np.full(len(p), 1 / len(p)))
    )


def something_is_lost(patch):
    def change(found, x, agents, exposure):
        return replace(found, allocation=0.999 * found.allocation)

    shared_otherwise(patch, change)


def exposure_is_forgotten(patch):
    def share(x, agents, weights=None, exposure=None):
        return SHARE(x, agents, weights)

    patch.setattr(dp, "vector_inf_convolution", share)


def everybody_keeps_half(patch):
    def change(found, x, agents, exposure):
        if exposure is not None:
            return found
        return replace(found, allocation=np.array([x, x]) / 2)

    shared_otherwise(patch, change)


def a_thousandth_is_kept_by_halves(patch):
    def change(found, x, agents, exposure):
        if exposure is not None:
            return found
        halves = np.array([x, x]) / 2
        moved = (halves - found.allocation) / 1000
        return replace(found, allocation=found.allocation + moved)

    shared_otherwise(patch, change)


def value_too_high(patch):
    def change(found, x, agents, exposure):
        return replace(found, value=1.001 * found.value)

    shared_otherwise(patch, change)


def conjugate_too_large(patch):
    patch.setattr(dp.Polyhedral, "conjugate", lambda self, z: CONJUGATE(self, z) + 0.1)


def penalties_count_less(patch):
    def conjugate(self, z):
        return (0.9 if np.size(z) > 1 else 1.0) * CONJUGATE(self, z)

    patch.setattr(dp.Polyhedral, "conjugate", conjugate)


def second_piece_is_active(patch):
    def active(self, x, tol=0):
        pieces = self._pieces(x)
        return pieces == np.sort(pieces)[-2]

    patch.setattr(dp.Polyhedral, "active", active)


def every_piece_is_active(patch):
    original = dp.Polyhedral.directional_derivative

    def derivative(self, x, y, tol=0):
        return original(self, x, y, tol=np.inf)

    patch.setattr(dp.Polyhedral, "directional_derivative", derivative)


def gap_never_closes(patch):
    def gap(self, z, x):
        return GAP(self, z, x) + (1e-3 if np.size(z) > 1 else 0.0)

    patch.setattr(dp.Polyhedral, "fenchel_gap", gap)


def zero_is_no_subgradient(patch):
    def gap(self, z, x):
        off = np.size(z) > 1 and not np.any(z)
        return GAP(self, z, x) + (1e-2 if off else 0.0)

    patch.setattr(dp.Polyhedral, "fenchel_gap", gap)


def conjugate_falls_beside_zero(patch):
    def conjugate(self, z):
        low = len(self.offsets) == 4 and np.any(z)
        return CONJUGATE(self, z) - (1.0 if low else 0.0)

    patch.setattr(dp.Polyhedral, "conjugate", conjugate)


def penalties_are_not_shared(patch):
    original = vector_sharing._block

    def block(part, offsets, p):
        return original(part, None if offsets is None else 0 * offsets, p)

    patch.setattr(vector_sharing, "_block", block)


def large_losses_are_cut(patch):
    def change(found, x, agents, exposure):
        low = polyhedral(agents) and np.abs(x).max() > 20
        return replace(found, value=found.value - (100 if low else 0))

    shared_otherwise(patch, change)


def shares_in_the_wrong_order(patch):
    def change(found, x, agents, exposure):
        if not polyhedral(agents):
            return found
        return replace(found, allocation=found.allocation[::-1])

    shared_otherwise(patch, change)


def few_points_line_by_line(patch):
    def risk(x, baseline, weights=None, baseline_weights=None):
        x, baseline = np.asarray(x), np.asarray(baseline)
        if len(x) != 6:
            return CORRELATION(x, baseline, weights, baseline_weights)
        lines = range(x.shape[1])
        return sum(CORRELATION(x[:, [j]], baseline[:, [j]]) for j in lines)

    patch.setattr(dp, "max_correlation_risk", risk)


def scenario_turned_sideways(patch):
    def change(found, x, agents, exposure):
        if polyhedral(agents):
            return found
        side = np.sin(np.arange(x.size)).reshape(x.shape)
        side -= side.mean(axis=0)
        centred = x - x.mean(axis=0)
        side -= (side * centred).sum() / (centred**2).sum() * centred
        return replace(found, scenario=found.scenario + 0.1 * side)

    shared_otherwise(patch, change)


def scenario_of_other_states(patch):
    def change(found, x, agents, exposure):
        if not polyhedral(agents) or len(x) != 4:
            return found
        return replace(found, scenario=found.scenario[::-1])

    shared_otherwise(patch, change)


def layers_cost_more(patch):
    original = vector_sharing._by_layers

    def layers(*problem):
        value, shares, scenario = original(*problem)
        return 1.01 * value, shares, scenario

    patch.setattr(vector_sharing, "_by_layers", layers)


def layers_in_the_wrong_hands(patch):
    original = vector_sharing._by_layers

    def layers(*problem):
        value, shares, scenario = original(*problem)
        return value, shares[::-1], scenario

    patch.setattr(vector_sharing, "_by_layers", layers)


def comonotone_lines_go_unseen(patch):
    def risk(x, baseline, weights=None, baseline_weights=None):
        found = CORRELATION(x, baseline, weights, baseline_weights)
        many = len(x) > 4 and np.shape(x)[1] == 2
        together = many and (np.diff(x, axis=0) >= 0).all()
        return 0.9 * found if together else found

    patch.setattr(dp, "max_correlation_risk", risk)


FAULTS = [
    ("vectors-2-11", "probabilities do not count", probabilities_do_not_count),
    ("vectors-1-1", "something is lost", something_is_lost),
    ("vectors-1-1", "exposure is forgotten", exposure_is_forgotten),
    ("vectors-1-2", "everybody keeps half", everybody_keeps_half),
    ("vectors-1-2", "a thousandth goes by halves", a_thousandth_is_kept_by_halves),
    ("vectors-1-3", "value too high by 0.1 %", value_too_high),
    ("vectors-2-1", "conjugate too large", conjugate_too_large),
    ("vectors-2-2", "penalties count nine tenths", penalties_count_less),
    ("vectors-2-3", "the second largest piece is active", second_piece_is_active),
    ("vectors-2-4", "every piece is active", every_piece_is_active),
    ("vectors-2-5", "the gap never closes", gap_never_closes),
    ("vectors-2-7", "0 is no subgradient", zero_is_no_subgradient),
    ("vectors-2-8", "the conjugate falls beside 0", conjugate_falls_beside_zero),
    ("vectors-2-9", "the solver forgets penalties", penalties_are_not_shared),
    ("vectors-2-10", "large losses are cut", large_losses_are_cut),
    ("theorem-common-scenario", "shares in the wrong order", shares_in_the_wrong_order),
    (
        "definition-max-correlation",
        "few points coupled line by line",
        few_points_line_by_line,
    ),
    (
        "proposition-max-correlation-sharing",
        "the scenario turned sideways",
        scenario_turned_sideways,
    ),
    (
        "corollary-common-worst-case",
        "the scenario of other states",
        scenario_of_other_states,
    ),
    ("corollary-one-line", "layers cost 1 % more", layers_cost_more),
    ("corollary-one-line", "layers in the wrong hands", layers_in_the_wrong_hands),
    (
        "corollary-positive-dependence",
        "comonotone lines go unseen",
        comonotone_lines_go_unseen,
    ),
]

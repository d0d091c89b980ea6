"""What property tests draw, and a function that reads an error."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import oracles
import pytest
from hypothesis import strategies as st

import dynpo_lite as dp


def refusal(call):
    """Return the kind and the text of the error that ``call`` raises."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    return f"{caught.type.__name__}: {caught.value}"


class Agent(NamedTuple):
    """A distortion for the package, and the same function written anew."""

    measure: object
    exact: object


class Law(NamedTuple):
    """Samples for the package, and the same law in fractions."""

    x: np.ndarray
    weights: np.ndarray | None
    exact: list


# distortions ----------------------------------------------------------------------

levels = st.integers(0, 99).map(lambda n: Fraction(n, 100)) | st.just(
    Fraction(999, 1000)
)


def shares(size, low=1):
    """Fractions that sum to 1."""
    whole = st.lists(st.integers(low, 9), min_size=size, max_size=size).filter(any)
    return whole.map(lambda w: [Fraction(n, sum(w)) for n in w])


@st.composite
def polygons(draw):
    pieces = draw(st.integers(1, 4))
    widths = draw(shares(pieces))
    slopes = sorted(draw(shares(pieces, 0)), reverse=True)
    jump = draw(st.sampled_from([Fraction(0), Fraction(1, 5)]))
    rise = sum(w * a for w, a in zip(widths, slopes))
    s, k = [Fraction(0)], [jump]
    for width, slope in zip(widths, slopes):
        s.append(s[-1] + width)
        k.append(k[-1] + (1 - jump) * width * slope / rise)
    measure = dp.PiecewiseLinear([float(v) for v in s], [float(v) for v in k])
    return Agent(measure, oracles.through(list(zip(s, k))))


simple = st.one_of(
    st.just(Agent(dp.Expectation(), oracles.mean)),
    st.just(Agent(dp.WorstCase(), oracles.worst)),
    levels.map(lambda a: Agent(dp.ExpectedShortfall(float(a)), oracles.shortfall(a))),
    polygons(),
)


@st.composite
def combinations(draw, parts=simple):
    several = draw(st.lists(parts, min_size=1, max_size=3))
    measures, exact = zip(*several)
    if draw(st.booleans()):
        return Agent(dp.Minimum(measures), oracles.minimum(exact))
    weights = draw(shares(len(several), 0))
    mixed = dp.Mixture(measures, [float(w) for w in weights])
    return Agent(mixed, oracles.mixture(list(zip(weights, exact))))


piecewise_linear = simple | combinations()

smooth = st.one_of(
    st.sampled_from([0.2, 0.5, 0.8, 1.0]).map(dp.ProportionalHazard),
    st.sampled_from([1.0, 1.5, 3.0, 20.0]).map(dp.DualPower),
    st.sampled_from([0.0, 0.3, 1.5]).map(dp.Wang),
    st.just(lambda s: s * (2 - s)),
    st.just(lambda s: np.where(s > 0, 0.25 + 0.75 * np.sqrt(s), 0.0)),
)
distortions = st.one_of(
    piecewise_linear.map(lambda agent: agent.measure),
    smooth,
    st.tuples(smooth, simple).map(lambda t: dp.Minimum([t[0], t[1][0]])),
    st.tuples(smooth, simple).map(
        lambda t: dp.Mixture([t[0], t[1].measure], [0.3, 0.7])
    ),
)
measures = distortions | st.lists(distortions, min_size=1, max_size=3).map(dp.Supremum)


@st.composite
def mixtures_of_shortfalls(draw, max_size=3):
    size = draw(st.integers(1, max_size))
    level = levels | st.just(Fraction(0)) | st.just(Fraction(1))
    return list(zip(draw(shares(size)), draw(st.tuples(*[level] * size))))


def as_measure(pairs):
    """The mixture of shortfalls that ``oracles.mixture_of_shortfalls`` describes."""
    parts = [
        dp.WorstCase() if a == 1 else dp.ExpectedShortfall(float(a)) for _, a in pairs
    ]
    return dp.Mixture(parts, [float(w) for w, _ in pairs])


# losses ---------------------------------------------------------------------------

quarters = st.integers(-40, 40).map(lambda n: n / 4)  # ties are frequent
loss = quarters | st.floats(-100, 100, allow_subnormal=False)


@st.composite
def laws(draw, min_size=1, max_size=9, low=0):
    """Samples with or without weights; ``low=1`` draws positive weights only."""
    x = draw(st.lists(loss, min_size=min_size, max_size=max_size))
    p = draw(st.none() | shares(len(x), low))
    exact = p or [Fraction(1, len(x))] * len(x)
    weights = None if p is None else np.array([float(w) for w in p])
    return Law(np.array(x), weights, list(zip(map(Fraction, x), exact)))


@st.composite
def pairs_of_losses(draw, max_size=8):
    """Two losses on the same scenarios, and weights or none."""
    n = draw(st.integers(1, max_size))
    x, y = (np.array(draw(st.lists(loss, min_size=n, max_size=n))) for _ in range(2))
    p = draw(st.none() | shares(n, 0))
    return x, y, None if p is None else np.array([float(w) for w in p])


# trees ----------------------------------------------------------------------------


class Tree(NamedTuple):
    """A tree for the package, and its conditional probabilities in fractions."""

    tree: dp.ScenarioTree
    parent: list
    probability: list

    @property
    def inner(self):
        return sorted(set(self.parent) - {-1})


@st.composite
def trees(draw, max_horizon=3, max_children=3):
    """Families of different sizes whose members need not be adjacent."""
    parent, probability, stage = [-1], [Fraction(1)], [0]
    for _ in range(draw(st.integers(1, max_horizon))):
        born = []
        for v in stage:
            size = draw(st.integers(1, max_children))
            equal = [Fraction(1, size)] * size
            born += [(v, p) for p in draw(st.just(equal) | shares(size))]
        draw(st.randoms(use_true_random=False)).shuffle(born)
        stage = list(range(len(parent), len(parent) + len(born)))
        parent += [v for v, _ in born]
        probability += [p for _, p in born]
    tree = dp.ScenarioTree(parent, [float(p) for p in probability])
    return Tree(tree, parent, probability)

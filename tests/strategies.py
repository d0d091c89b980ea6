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
def long_laws(draw, max_size=700):
    """Many weighted samples: equal, unequal or wild weights, some 0, ties or none."""
    n = draw(st.integers(1, max_size))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.normal(size=n) * 10.0 ** draw(st.integers(-3, 3))
    if draw(st.booleans()):
        x = np.round(x, 1)
    kind = draw(st.sampled_from(["equal", "unequal", "wild"]))
    spread = {"equal": 0.0, "unequal": 1.0, "wild": 12.0}[kind]
    weights = rng.lognormal(0, spread, n)
    if draw(st.booleans()):
        weights[rng.random(n) < 0.3] = 0.0
    weights[rng.integers(n)] += 1.0
    return x, weights / weights.sum()


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
def trees(draw, max_horizon=3, max_children=3, min_horizon=1):
    """Families of different sizes whose members need not be adjacent."""
    parent, probability, stage = [-1], [Fraction(1)], [0]
    for _ in range(draw(st.integers(min_horizon, max_horizon))):
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


# lattices -------------------------------------------------------------------------


class Lattice(NamedTuple):
    """A lattice for the package, and its arcs, conditional probabilities in fractions.

    ``arcs`` are triples of source, target and probability, in the order given.
    """

    lattice: dp.ScenarioLattice
    arcs: list

    @property
    def inner(self):
        return sorted({v for v, _, _ in self.arcs})


@st.composite
def lattices(draw, max_horizon=3, max_width=3, max_ways=3, equal=False):
    """Nodes whose arcs meet again, also side by side; arcs come in any order."""
    arcs, stage, first = [], [0], 1
    for _ in range(draw(st.integers(1, max_horizon))):
        born, width = [], draw(st.integers(1, max_width))
        for v in stage:
            size = draw(st.integers(1, max_ways))
            chances = st.just([Fraction(1, size)] * size)
            chances = chances if equal else chances | shares(size)
            states = st.lists(st.integers(1, width), min_size=size, max_size=size)
            born += [(v, w, p) for w, p in zip(draw(states), draw(chances))]
        number = {w: first + j for j, w in enumerate(sorted({w for _, w, _ in born}))}
        arcs += [(v, number[w], p) for v, w, p in born]
        stage = list(number.values())
        first += len(stage)
    draw(st.randoms(use_true_random=False)).shuffle(arcs)
    source, target, probability = zip(*arcs)
    lattice = dp.ScenarioLattice(source, target, [float(p) for p in probability])
    return Lattice(lattice, arcs)


# economies ------------------------------------------------------------------------


class Exchange(NamedTuple):
    """An economy for the package, and its preferences for the oracles.

    ``prefs[i][v]`` lists the mixtures of shortfalls the worst of which agent i fears at
    node v; for smooth distortions, mixtures that agree at the levels of the tree.
    """

    economy: dp.Economy
    prefs: list

    def least_totals(self):
        tree, total = self.economy.tree, self.economy.aggregate
        parent = tree.parent.tolist()
        return oracles.least_totals_by_lp(parent, tree.probability, total, self.prefs)

    def least_total_at(self, v, z):
        """The least total risk at node ``v`` of what its children carry."""
        p = self.economy.tree.probability[children_of(self.economy.tree, v)]
        tree = [-1] + [0] * len(z), [1, *p], [0, *z]
        return oracles.least_totals_by_lp(*tree, [[own[v]] for own in self.prefs])[0]

    def unrolled(self):
        """The same on the tree of all paths; the node and arc each of its nodes is."""
        economy = self.economy.to_tree()
        _, node, arc = self.economy.scenarios.to_tree()
        inner = range(economy.tree.first[economy.tree.horizon])
        prefs = [{u: own[node[u]] for u in inner} for own in self.prefs]
        return Exchange(economy, prefs), node, arc


def children_of(tree, v):
    return np.flatnonzero(tree.parent == v)


def inner_nodes(tree):
    return range(tree.first[tree.horizon])


def as_preference(parts):
    """The measure that takes the worst of mixtures of shortfalls."""
    mixtures = [as_measure(part) for part in parts]
    return mixtures[0] if len(mixtures) == 1 else dp.Supremum(mixtures)


def case_economy(case):
    """An exact case as an Exchange; without endowments the first agent owns all."""
    paid = [case.endowments.get(i, [0] * len(case.names)) for i in case.agents]
    if not case.endowments:
        paid[0] = case.aggregate
    prefs = [
        {case.number[v]: p for (i, v), p in case.prefs.items() if i == agent}
        for agent in case.agents
    ]
    agents = [{v: as_preference(p) for v, p in own.items()} for own in prefs]
    tree = dp.ScenarioTree(case.parent, [float(p) for p in case.probability])
    x = np.array([[float(y) for y in row] for row in paid])
    return Exchange(dp.Economy(tree, x, agents), prefs)


def _mixture(rng):
    size = rng.integers(1, 4)
    weights = rng.multinomial(8, np.ones(size) / size)
    levels = rng.choice([0, 0.2, 0.5, 0.5, 0.75, 0.9, 0.99, 1], size)
    return [(w / 8, float(a)) for w, a in zip(weights, levels) if w]


def _preference(rng, kind):
    """A measure, and its mixtures at a node with ``b`` children as a function of b."""
    if kind == "smooth":
        a = float(rng.choice([0.3, 0.8, 1.0, 1.6]))
        measure, k = [
            (dp.ProportionalHazard(a / 2), lambda s: s ** (a / 2)),
            (dp.DualPower(1 + a), lambda s: 1 - (1 - s) ** (1 + a)),
            (dp.Wang(a), lambda s: oracles.wang(s, a)),
        ][rng.integers(3)]
        return measure, lambda b: [oracles.interpolated(k, b)]
    several = kind == "suprema" and rng.random() < 0.4
    parts = [_mixture(rng) for _ in range(rng.integers(2, 4) if several else 1)]
    return as_preference(parts), lambda b: parts


def _losses(rng, n, size, ties):
    """Losses of both signs: with many ties, with one owner, proportional, or any."""
    kind = rng.integers(4 if ties else 3)
    x = rng.normal(2, 5, (n, size))
    if kind == 0:
        x = rng.multinomial(8, np.ones(n) / n)[:, None] / 8 * x[0]
    elif kind == 1:
        x[1:] = 0
    return rng.integers(-2, 4, (n, size)).astype(float) if kind == 3 else x


def _agents(rng, kind, size, number):
    """Preferences and measures of nodes with ``size`` ways on; ``number`` of agents."""
    prefs, measures, inner = [], [], range(len(size))
    for _ in range(rng.integers(number[0], number[1] + 1)):
        everywhere = [_preference(rng, kind)] * len(size)
        at = (
            everywhere if rng.random() < 0.5 else [_preference(rng, kind) for _ in size]
        )
        prefs.append({v: at[v][1](size[v]) for v in inner})
        measures.append({v: at[v][0] for v in inner})
        if at is everywhere:
            measures[-1] = at[0][0]
    return prefs, measures


@st.composite
def exchanges(draw, kind="linear", horizon=(1, 3), agents=(1, 4), ties=True):
    """Economies with "linear" preferences, "suprema" among them, or "smooth" ones."""
    drawn = draw(trees(min_horizon=horizon[0], max_horizon=horizon[1]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    tree, size = drawn.tree, np.bincount(drawn.parent[1:])
    if kind == "smooth":  # of equal siblings only the levels j / b matter
        equal = [1.0] + [1 / size[v] for v in drawn.parent[1:]]
        tree = dp.ScenarioTree(drawn.parent, equal)
    prefs, measures = _agents(rng, kind, size[drawn.inner], agents)
    x = _losses(rng, len(prefs), tree.n_nodes, ties)
    return Exchange(dp.Economy(tree, x, measures), prefs)


@st.composite
def recombining(draw, kind="linear", agents=(1, 4), ties=True):
    """The same on lattices; some losses are those of nodes, paid on arrival."""
    lattice = draw(lattices(equal=kind == "smooth")).lattice
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = np.bincount(lattice.source)
    prefs, measures = _agents(rng, kind, size, agents)
    at = lattice.n_nodes if rng.random() < 0.3 else lattice.n_arcs
    x = _losses(rng, len(prefs), at, ties)
    return Exchange(dp.Economy(lattice, x, measures), prefs)


def near(answer, economy, rel=1e-12):
    """Equal within ``rel``, or within ``rel`` of what is at stake along a path."""
    at_stake = economy.scale * economy.n_agents * economy.scenarios.horizon
    return pytest.approx(np.asarray(answer, dtype=float), rel=rel, abs=rel * at_stake)


def check_layers(layers, exact, agents, equal=True):
    """Compare layers with exact ones, where ``argmin`` may hold several agents."""
    ends = sorted({float(Fraction(la[end])) for la in exact for end in ("lo", "hi")})
    ours = sorted({end for la in layers for end in (la.attachment, la.exhaustion)})
    assert [ours[0], ours[-1]] == pytest.approx([ends[0], ends[-1]], rel=1e-12)
    for end in ours:
        assert min(abs(end - e) for e in ends) <= 1e-12 * abs(end)
    for la in exact:
        x = float(Fraction(la["lo"]) + Fraction(la["hi"])) / 2
        (shares,) = [ly.shares for ly in layers if ly.attachment < x < ly.exhaustion]
        carriers = [i for i, share in zip(agents, shares) if share > 0]
        assert set(carriers) <= set(la["argmin"])
        assert sum(shares) == pytest.approx(1, abs=1e-12)
        if equal:
            assert carriers == la["argmin"]
            assert max(shares) == pytest.approx(1 / len(carriers), abs=1e-12)

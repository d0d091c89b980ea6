"""Independent answers: nothing here uses the package.

Distortions are plain functions of one survival probability.  Given fractions they
return fractions, so the answers of piecewise linear ones are exact.
"""

import itertools
import json
import math
import pathlib
import statistics
from fractions import Fraction

import mpmath
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

DATA = pathlib.Path(__file__).parent / "data"


# distortions, written anew --------------------------------------------------------


def mean(s):
    return s


def worst(s):
    return 1 if s > 0 else 0


def shortfall(level):
    return lambda s: min(s / (1 - level), 1)


def through(points):
    """The polygon through ``points``; a first value above 0 is a jump at 0."""

    def k(s):
        if s == 0:
            return 0
        for (a, low), (b, high) in itertools.pairwise(points):
            if s <= b:
                return low + (high - low) * (s - a) / (b - a)
        raise AssertionError(s)

    return k


def mixture(parts):
    return lambda s: sum(w * k(s) for w, k in parts)


def minimum(parts):
    return lambda s: min(k(s) for k in parts)


def wang(s, shift):
    normal = statistics.NormalDist()
    return s if s in (0, 1) else normal.cdf(normal.inv_cdf(s) + shift)


def mixture_of_shortfalls(pairs):
    """Pairs of weight and level; level 0 is the mean and level 1 the maximum."""
    return mixture([(w, worst if a == 1 else shortfall(a)) for w, a in pairs])


# risks ----------------------------------------------------------------------------


def risk(law, k):
    """Sum the layers: their height times ``k`` of the chance of exceeding them."""
    values = sorted({v for v, p in law if p > 0})
    above = {v: sum(p for w, p in law if w > v) for v in values[:-1]}
    layers = ((high - low) * k(above[low]) for low, high in itertools.pairwise(values))
    return values[0] + sum(layers)


def risk_of_samples(x, weights, k):
    """Sum the samples from the largest down, in fractions throughout."""
    total = sum(map(Fraction, weights))
    answer, above, before = Fraction(0), Fraction(0), 0
    for value, weight in sorted(zip(x, weights), reverse=True):
        above += Fraction(weight) / total
        now = Fraction(k(above))
        answer += Fraction(value) * (now - before)
        before = now
    return answer


def nested_risk(parent, probability, losses, risk_at):
    """Risk-to-go by recursion; ``risk_at(node, law)`` is the one-step measure."""

    def value(v):
        below = [w for w, u in enumerate(parent) if u == v]
        law = [(losses[w] + value(w), probability[w]) for w in below]
        return risk_at(v, law) if law else 0

    return [value(v) for v in range(len(parent))]


def law_risk(tail, k, low, middle, high):
    r"""Integrate the definition with 30 digits, panel by panel.

    ``tail`` is the survival function; ``middle`` lists ascending points inside the
    support, among them all kinks.  Beyond its ends the panels double in width or,
    towards a finite end of the support, halve, until they add nothing.
    """

    def panels(start, end):
        width, at = mpmath.mpf(1) / 2 if end is None else (end - start) / 2, start
        sign = 1 if start == middle[-1] else -1
        while True:
            to = at + (sign * width if end is None else width)
            yield sorted((at, to))
            at, width = to, 2 * width if end is None else width / 2

    def over(f, pieces):
        total = mpmath.mpf(0)
        for piece in pieces:
            part = mpmath.quad(f, piece, method="gauss-legendre")
            total += part
            if abs(part) <= mpmath.mpf(10) ** -16 * abs(total):
                break
        return total

    with mpmath.workdps(30):
        middle = [mpmath.mpf(x) for x in middle]
        within = sum(
            over(lambda x: k(tail(x)), [p]) for p in itertools.pairwise(middle)
        )
        above = over(lambda x: k(tail(x)), panels(middle[-1], high))
        below = over(lambda x: 1 - k(tail(x)), panels(middle[0], low))
        return float(middle[0] + within + above - below)


# optimal sharing ------------------------------------------------------------------


class Programme:
    """A linear programme, put together row by row."""

    def __init__(self):
        self.bounds, self.cost = [], {}
        self.rows = {"<=": ([], []), "=": ([], [])}

    def new(self, *shape, low=None):
        start, count = len(self.bounds), math.prod(shape)
        self.bounds += [(low, None)] * count
        return np.arange(start, start + count).reshape(shape)

    def add(self, terms, kind, limit):
        """Demand that the sum of coefficient times variable keeps to the limit."""
        rows, limits = self.rows[kind]
        rows.append(terms)
        limits.append(float(limit))

    def risk(self, carried, p, parts):
        """A variable no smaller than the worst of several mixtures of shortfalls.

        Each shortfall is the minimum of Rockafellar and Uryasev, level 1 the maximum.
        """
        (value,) = self.new(1)
        for part in parts:
            terms = [(-1.0, value)]
            for weight, level in part:
                weight, level = float(weight), float(level)
                if level == 0:
                    terms += [(weight * float(q), c) for q, c in zip(p, carried)]
                    continue
                (at,) = self.new(1)
                terms.append((weight, at))
                for q, c in zip(p, carried):
                    beyond = [(1.0, c), (-1.0, at)]
                    if level < 1:
                        (excess,) = self.new(1, low=0)
                        beyond.append((-1.0, excess))
                        terms.append((weight * float(q) / (1 - level), excess))
                    self.add(beyond, "<=", 0)
            self.add(terms, "<=", 0)
        return value

    def solve(self):
        """Return the best values of the variables; None if there are none."""

        def matrix(kind):
            rows, limits = self.rows[kind]
            if not rows:
                return None, None
            entries = [(c, r, v) for r, terms in enumerate(rows) for c, v in terms]
            c, r, v = zip(*entries)
            shape = len(rows), len(self.bounds)
            return coo_matrix((c, (r, v)), shape).tocsr(), limits

        cost = np.zeros(len(self.bounds))
        cost[list(self.cost)] = list(self.cost.values())
        programme = cost, *matrix("<="), *matrix("="), self.bounds
        found = linprog(*programme, method="highs")
        assert found.status in (0, 2), found.message
        return found.x if found.status == 0 else None


def least_totals_by_lp(parent, probability, aggregate, agents):
    """Minimise the total risk-to-go at every node over ALL allocations, all at once.

    ``agents[i][v]`` lists the mixtures of shortfalls, pairs of weight and level, the
    worst of which agent ``i`` fears at node ``v``.
    """
    n, size = len(agents), len(parent)
    inner = sorted(set(parent) - {-1})
    scale = max(float(max(map(abs, aggregate[1:]))), 1e-300)
    lp = Programme()
    carried, to_go = lp.new(n, size), {}
    for v in inner:
        below = [w for w in range(size) if parent[w] == v]
        for i in range(n):
            p = [probability[w] for w in below]
            to_go[i, v] = lp.risk(carried[i, below], p, agents[i][v])
            lp.cost[to_go[i, v]] = 1.0
    for w in range(1, size):  # what is carried includes the risk still to come
        terms = [(1.0, c) for c in carried[:, w]]
        terms += [(-1.0, to_go[i, w]) for i in range(n) if w in inner]
        lp.add(terms, "=", aggregate[w] / scale)
    x = lp.solve() * scale
    totals = np.zeros(size)
    for v in inner:
        totals[v] = sum(x[to_go[i, v]] for i in range(n))
    return totals


def least_total_by_lp(x, p, agents):
    """The same for one loss; ``agents`` holds one mixture of shortfalls each."""
    tree = [-1] + [0] * len(x), [1, *p], [0, *x]
    return least_totals_by_lp(*tree, [[[agent]] for agent in agents])[0]


def best_deterministic_contract(z, laws, chance, agents, limits=None):
    """Minimise the average total risk over comonotone functions of ``z``.

    ``laws[v]`` are the probabilities with which parent ``v`` sees the entries of ``z``,
    ``chance[v]`` its own, ``agents[i][v]`` its mixtures, ``limits[i][v]`` what it may
    cost.  Return the minimum, or None, and the least sacrifice that meets the limits.
    """
    levels, rank = np.unique(z, return_inverse=True)
    scale = max(np.abs(levels).max(), 1e-300)

    def solve(sacrifice):
        lp = Programme()
        kept = lp.new(len(agents), len(levels))
        (given,) = lp.new(1, low=0)
        for column, level in zip(kept.T, levels):
            lp.add([(1.0, g) for g in column], "=", level / scale)
        for row in kept:
            for below, above in itertools.pairwise(row):
                lp.add([(1.0, below), (-1.0, above)], "<=", 0)
        for v, law in enumerate(laws):
            seen = np.flatnonzero(law)
            for i, agent in enumerate(agents):
                cost = lp.risk(kept[i, rank[seen]], law[seen], agent[v])
                if not sacrifice:
                    lp.cost[cost] = chance[v]
                if limits is not None:
                    slack = [(-1.0, given)] if sacrifice else []
                    lp.add([(1.0, cost), *slack], "<=", limits[i][v] / scale)
        if sacrifice:
            lp.cost[given] = 1.0
        x = lp.solve()
        return None if x is None else scale * sum(c * x[v] for v, c in lp.cost.items())

    return solve(False), solve(True) if limits is not None else 0.0


def interpolated(k, b):
    """The mixture of shortfalls that agrees with ``k`` at 0, 1/b, ..., 1."""
    rises = [k(j / b) - k((j - 1) / b) for j in range(1, b + 1)]
    falls = [a - c for a, c in zip(rises, [*rises[1:], 0.0])]
    return [(j * fall, 1 - j / b) for j, fall in enumerate(falls, 1)]


def least_total_by_enumeration(x, p, first, second):
    """Try all integer shares of the first of two agents; constants do not matter."""
    top = max(x) - min(x) + 1
    best = math.inf
    for rest in itertools.product(range(-1, top + 1), repeat=len(x) - 1):
        y = (0, *rest)
        z = [a - b for a, b in zip(x, y)]
        best = min(best, risk(list(zip(y, p)), first) + risk(list(zip(z, p)), second))
    return best


# risk vectors ---------------------------------------------------------------------


def scenario_value_by_lp(x, p, agents, exposure=None):
    """The largest <Z, x> less penalties, over the scenarios Z that all agents admit.

    An agent is an array of equally likely points, whose law Z must be an average of, or
    a pair of vertices and penalties; it looks at its own lines only. Return the value,
    None if there is no common Z.
    """
    if exposure is None:
        exposure = np.ones((len(agents), x.shape[1]), dtype=bool)
    lp = Programme()
    z = lp.new(*x.shape)
    for s, j in np.ndindex(*x.shape):
        lp.cost[z[s, j]] = -p[s] * x[s, j]
    for agent, lines in zip(agents, exposure):
        own = [(s, j) for s, j in np.ndindex(*x.shape) if lines[j]]
        if isinstance(agent, tuple):
            vertices, penalties = agent
            mix = lp.new(len(vertices), low=0)
            lp.add([(1.0, m) for m in mix], "=", 1)
            lp.cost.update(zip(mix, penalties))
            for s, j in own:
                terms = [(v[s, j], m) for v, m in zip(vertices, mix)]
                lp.add([*terms, (-1.0, z[s, j])], "=", 0)
            continue
        joint = lp.new(len(x), len(agent), low=0)
        for row, mass in zip(joint, p):
            lp.add([(1.0, c) for c in row], "=", mass)
        for column in joint.T:
            lp.add([(1.0, c) for c in column], "=", 1 / len(agent))
        for s, j in own:
            terms = [(y[j], c) for y, c in zip(agent, joint[s])]
            lp.add([*terms, (-p[s], z[s, j])], "=", 0)
    found = lp.solve()
    return None if found is None else -sum(c * found[v] for v, c in lp.cost.items())


def least_of_pieces(vertices, penalties):
    """The minimum of the largest <V, x> - penalty, over all x with equal weights."""
    lp = Programme()
    x, (top,) = lp.new(*vertices[0].shape), lp.new(1)
    lp.cost[top] = 1.0
    for v, penalty in zip(vertices, penalties):
        terms = zip(v.ravel() / len(v), x.ravel())
        lp.add([*terms, (-1.0, top)], "<=", penalty)
    return lp.solve()[top]


def largest_correlation(x, y):
    """Try all permutations of equally likely points."""
    orders = itertools.permutations(range(len(y)))
    return max((x * y[list(order)]).sum() for order in orders) / len(x)


# the exact cases ------------------------------------------------------------------


class Case:
    """One case of data/exact_cases.json, its nodes numbered by stage."""

    def __init__(self, data):
        self.id, self.answer, self.agents = data["id"], data["answer"], data["agents"]
        nodes = data["nodes"]
        self.prefs = {
            (i, v): [
                [(Fraction(w), Fraction(a)) for w, a in part]
                for part in data["prefs"][i][v]
            ]
            for i in self.agents
            for v in data["prefs"][i]
        }
        depth = {v: 0 for v in nodes if nodes[v]["parent"] is None}
        while len(depth) < len(nodes):
            for v, node in nodes.items():
                if node["parent"] in depth:
                    depth[v] = depth[node["parent"]] + 1
        self.names = sorted(nodes, key=depth.get)
        self.number = {v: j for j, v in enumerate(self.names)}
        self.parent = [self.number.get(nodes[v]["parent"], -1) for v in self.names]
        self.probability = [Fraction(nodes[v]["p"]) for v in self.names]
        self.aggregate = [Fraction(nodes[v]["S"]) for v in self.names]
        self.endowments = {
            i: [Fraction(paid.get(v, "0")) for v in self.names]
            for i, paid in data.get("endowments", {}).items()
        }
        self.inner = sorted(set(self.parent) - {-1})

    def children(self, v):
        return [w for w, u in enumerate(self.parent) if u == v]

    @property
    def is_linear(self):
        """No agent takes a maximum of several distortions."""
        return all(len(parts) == 1 for parts in self.prefs.values())


def exact_cases():
    return [
        Case(d) for d in json.loads((DATA / "exact_cases.json").read_text())["cases"]
    ]

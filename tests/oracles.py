"""Independent answers: nothing here uses the package.

Distortions are plain functions of one survival probability.  Given fractions they
return fractions, so the answers of piecewise linear ones are exact.
"""

import itertools
import json
import math
import pathlib
from fractions import Fraction

import mpmath
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import lil_matrix

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


def least_total_by_lp(x, p, agents):
    """Minimise the total risk over ALL allocations, by linear programming.

    ``agents`` holds a list of (weight, level) for each agent; each shortfall is the
    minimum of Rockafellar and Uryasev, a level of 1 the maximum.
    """
    n, m = len(x), len(agents)
    terms = [(i, float(w), float(a)) for i, ag in enumerate(agents) for w, a in ag]
    # variables: the shares, then for each term a level and the excesses over it
    size = m * n + len(terms) * (n + 1)
    cost, rows = np.zeros(size), lil_matrix((len(terms) * n, size))
    bounds = [(None, None)] * (m * n)
    for j, (i, weight, level) in enumerate(terms):
        at = m * n + j * (n + 1)
        bounds += [(None, None)] + [(0, 0 if level == 1 else None)] * n
        cost[at] += weight
        if level < 1:
            cost[at + 1 : at + 1 + n] += weight * np.asarray(p) / (1 - level)
        for s in range(n):  # share - level - excess <= 0
            row = j * n + s
            rows[row, i * n + s], rows[row, at], rows[row, at + 1 + s] = 1, -1, -1
    sums = lil_matrix((n, size))
    for s in range(n):
        sums[s, [i * n + s for i in range(m)]] = 1
    zeros = np.zeros(len(terms) * n)
    found = linprog(cost, rows.tocsr(), zeros, sums.tocsr(), x, bounds, method="highs")
    assert found.success, found.message
    return found.fun


def least_total_by_enumeration(x, p, first, second):
    """Try all integer shares of the first of two agents; constants do not matter."""
    top = max(x) - min(x) + 1
    best = math.inf
    for rest in itertools.product(range(-1, top + 1), repeat=len(x) - 1):
        y = (0, *rest)
        z = [a - b for a, b in zip(x, y)]
        best = min(best, risk(list(zip(y, p)), first) + risk(list(zip(z, p)), second))
    return best


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

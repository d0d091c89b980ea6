"""Check the exact cases with nothing but Python's standard library.

    python3 tools/verify_cases.py [CASES.json]

A reviewer need not trust our solver: this script shares no code with it.  At every node
of every case it makes two certificates in exact rationals and compares them with the
printed answer.

* Primal: a way of sharing what is due at the children, whose total risk is V.
* Dual: a reweighting q of the children with q(A) <= k(P(A)) for EVERY set A of children
  and every agent (for an agent with several mixtures, under one mixture of them).  No
  way of sharing whatsoever then costs less than E_q[Z], and E_q[Z] = V.

Prints one line a case and ends with 'N passed, N failed'; exit 1 if one failed.
"""

import json
import sys
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

CASES = Path(__file__).resolve().parents[1] / "tests" / "data" / "exact_cases.json"


def distorted(mixture, u):
    """Return k(u) of a mixture of shortfalls [(weight, level)]; level 1: maximum."""
    if u == 0:
        return Fraction(0)
    return sum(w * (1 if a == 1 else min(u / (1 - a), 1)) for w, a in mixture)


def risk(mixture, values, p):
    """Return the Choquet integral of a discrete loss, exactly."""
    total, before, mass = Fraction(0), Fraction(0), Fraction(0)
    for value, chance in sorted(zip(values, p), reverse=True):
        mass += chance
        k = distorted(mixture, mass)
        total, before = total + value * (k - before), k
    return total


def blended(mixtures, weights):
    """Return one mixture out of several."""
    return [(v * w, a) for v, m in zip(weights, mixtures) for w, a in m]


def accepted(q, p, mixture):
    """Check q(A) <= k(P(A)) for all sets of children."""
    children = range(len(q))
    return all(
        sum(q[c] for c in chosen) <= distorted(mixture, sum(p[c] for c in chosen))
        for size in range(1, len(q) + 1)
        for chosen in combinations(children, size)
    )


def check_node(z, p, agents, saddle):
    """Return (primal, dual) at one node; raise AssertionError if q is not accepted.

    ``agents`` hold lists of mixtures; ``saddle`` the weights of the worst blend.
    """
    blends = [blended(m, w) for m, w in zip(agents, saddle)]
    order = sorted(range(len(z)), key=lambda c: -z[c])
    q, mass, before, ties = [Fraction(0)] * len(z), Fraction(0), Fraction(0), []
    for c in order:
        mass += p[c]
        k = [distorted(b, mass) for b in blends]
        q[c], before = min(k) - before, min(k)
        ties.append([i for i, value in enumerate(k) if value == min(k)])
    assert sum(q) == 1
    assert all(accepted(q, p, b) for b in blends), "the scenario is not accepted"
    dual = sum(a * b for a, b in zip(q, z))
    return primal_value(z, p, order, ties, agents), dual


def primal_value(z, p, order, ties, agents):
    """Share layers among those who tie; try the splits that balance the mixtures."""
    widths = [z[a] - z[b] for a, b in pairwise(order)]
    open_layers = [j for j, w in enumerate(widths) if len(ties[j]) > 1 and w > 0]

    def cost(split):
        kept = [[Fraction(0)] * len(z) for _ in agents]
        for j, width in enumerate(widths):
            owners = ties[j]
            parts = dict.fromkeys(owners, Fraction(0))
            parts[owners[0]] = split.get(j, Fraction(1))
            parts[owners[-1]] += 1 - sum(parts.values())
            for c in order[: j + 1]:
                for i, part in parts.items():
                    kept[i][c] += part * width
        risks = [[risk(m, k, p) for m in own] for k, own in zip(kept, agents)]
        return sum(map(max, risks)) + z[order[-1]], risks

    best = cost({})[0]
    for j in open_layers:  # one split open at a time balances an agent's mixtures
        others = [{o: Fraction(x) for o in open_layers if o != j} for x in (0, 1)]
        for other in others:
            low, high = cost(other | {j: Fraction(0)}), cost(other | {j: Fraction(1)})
            best = min(best, low[0], high[0])
            for (a0, *r0), (a1, *r1) in zip(low[1], high[1]):
                for b0, b1 in zip(r0, r1):  # where two mixtures cost the same
                    slope = (a1 - a0) - (b1 - b0)
                    if slope and 0 <= (b0 - a0) / slope <= 1:
                        best = min(best, cost(other | {j: (b0 - a0) / slope})[0])
    return best


def check_case(case):
    """Check every non-terminal node of a case."""
    nodes = dict(case["nodes"].items())
    value = {name: Fraction(0) for name in nodes}
    answer = {name: Fraction(v) for name, v in case["answer"]["V"].items()}
    for name in answer:  # the value at a child is checked at the child's own turn
        value[name] = answer[name]
    saddles = case["answer"].get("saddle_weights", {})
    for name in answer:
        after = [c for c, row in nodes.items() if row["parent"] == name]
        p = [Fraction(nodes[c]["p"]) for c in after]
        z = [Fraction(nodes[c]["S"]) + value[c] for c in after]
        agents = [
            [
                [(Fraction(w), Fraction(a)) for w, a in mixture]
                for mixture in case["prefs"][i][name]
            ]
            for i in case["agents"]
        ]
        saddle = saddle_of(saddles.get(name, {}), case["agents"], agents)
        primal, dual = check_node(z, p, agents, saddle)
        assert primal == dual == answer[name], f"node {name}: {primal}, {dual}"
    return len(answer)


def saddle_of(given, names, agents):
    """Return the weights of each agent's mixtures: given, or all on a single one."""
    weights = []
    for name, mixtures in zip(names, agents):
        own = given.get(name) if isinstance(given, dict) else None
        if own is None:
            assert len(mixtures) == 1, "weights of the mixtures are missing"
            own = ["1"]
        weights.append([Fraction(w) for w in own])
    return weights


def main():
    """Check all cases of the file."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CASES
    passed = failed = 0
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        try:
            count = check_case(case)
        except AssertionError as error:
            failed += 1
            print(f"{case['id']}: FAILED, {error}")
        else:
            passed += 1
            print(f"{case['id']}: primal = dual = answer at {count} node(s)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

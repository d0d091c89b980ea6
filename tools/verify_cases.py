"""Check the exact cases with nothing but Python's standard library.

    python3 tools/verify_cases.py [CASES.json]

A reviewer need not trust our solver: this script shares no code with it.  At every node
of every case it makes two certificates in exact rationals and compares them with the
printed answer.

* Primal: a way of sharing what is due at the children, whose total risk is V.
* Dual: a reweighting q of the children with q(A) <= k(P(A)) for EVERY set A of children
  and every agent (for an agent with several mixtures, under one mixture of them).  No
  way of sharing whatsoever then costs less than E_q[Z], and E_q[Z] = V.

Then every other field of the answer is computed from its definition and compared:
layers, risks of the endowments, surplus, intervals, contracts fixed at time 0.
Probabilities and weights must sum to 1, endowments to the aggregate; a field that is
not known here is an error, so nothing in the file goes unread.

Prints one line a case and ends with 'N passed, N failed'; exit 1 if one failed.
"""

import json
import sys
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

CASES = Path(__file__).resolve().parents[1] / "tests" / "data" / "exact_cases.json"
TOLERANCE = 1e-6  # of the floating results of the linear programmes in "check"


def require(holds, complaint):
    """Raise ValueError unless a condition holds (asserts vanish under python -O)."""
    if not holds:
        raise ValueError(complaint)


# --- one node -------------------------------------------------------------------------


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
    """Return (primal, dual) at one node; raise ValueError if q is not accepted.

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
    require(sum(q) == 1, "the scenario does not sum to 1")
    require(all(accepted(q, p, b) for b in blends), "the scenario is not accepted")
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


# --- the data of a case ---------------------------------------------------------------


class Tree:
    """Nodes, chances and preferences of a case, in fractions; checked on the way."""

    def __init__(self, case):
        nodes = case["nodes"]
        self.names, self.agents = list(nodes), case["agents"]
        self.parent = {name: row["parent"] for name, row in nodes.items()}
        self.p = {name: Fraction(row["p"]) for name, row in nodes.items()}
        self.s = {name: Fraction(row["S"]) for name, row in nodes.items()}
        self.inner = [n for n in nodes if n in self.parent.values()]
        (self.root,) = (n for n in nodes if self.parent[n] is None)
        self.time, self.chance = {}, {}
        for name in nodes:  # a parent stands before its children
            up = self.parent[name]
            self.time[name] = 0 if up is None else self.time[up] + 1
            self.chance[name] = self.p[name] * self.chance.get(up, 1)
        self.horizon = max(self.time.values())
        self.prefs = {
            i: {
                name: [[(Fraction(w), Fraction(a)) for w, a in m] for m in mixtures]
                for name, mixtures in case["prefs"][i].items()
            }
            for i in self.agents
        }
        self.endowments = {
            i: {name: Fraction(x) for name, x in row.items()}
            for i, row in case.get("endowments", {}).items()
        }
        self.check(case)

    def check(self, case):
        """Raise ValueError where chances, weights or endowments do not add up."""
        require(case["T"] == self.horizon, f"T: the tree has {self.horizon} periods")
        require(case["reading"] == "conditional", "reading: not conditional")
        require((self.p[self.root], self.s[self.root]) == (1, 0), "the root")
        require(min(self.p.values()) > 0, "a probability that is not positive")
        for name in self.inner:
            mass = sum(self.p[c] for c in self.after(name))
            require(mass == 1, f"node {name}: probabilities sum to {mass}")
        require(list(case["prefs"]) == self.agents, "prefs: not those of the agents")
        for i, prefs in self.prefs.items():
            require(set(prefs) == set(self.inner), f"prefs of {i}: other nodes")
            for mixture in (m for mixtures in prefs.values() for m in mixtures):
                weights = [w for w, _ in mixture]
                require(sum(weights) == 1 and min(weights) >= 0, f"weights of {i}")
                require(all(0 <= a <= 1 for _, a in mixture), f"levels of {i}")
        if self.endowments:
            require(list(self.endowments) == self.agents, "endowments: other agents")
            paid = [name for name in self.names if name != self.root]
            for i, row in self.endowments.items():
                require(set(row) == set(paid), f"endowments of {i}: other nodes")
            for name in paid:
                total = sum(row[name] for row in self.endowments.values())
                require(total == self.s[name], f"node {name}: endowments")

    def after(self, name):
        """Return the children of a node."""
        return [c for c in self.names if self.parent[c] == name]

    def kept_risk(self, i, name, values):
        """Return agent i's risk at a node of amounts at its children."""
        p = [self.p[c] for c in self.after(name)]
        return max(risk(m, values, p) for m in self.prefs[i][name])

    def of_stage(self, values, t):
        """Return the mean of values over the nodes of a time."""
        return sum(self.chance[n] * values[n] for n in values if self.time[n] == t)

    def risk_to_go(self, i, payments):
        """Return agent i's nested risk of payments at every inner node."""
        found = {}
        for name in sorted(self.inner, key=self.time.get, reverse=True):
            due = [payments[c] + found.get(c, 0) for c in self.after(name)]
            found[name] = self.kept_risk(i, name, due)
        return found


# --- every field of an answer ---------------------------------------------------------


def cheapest(k):
    """Return the agents with the smallest value."""
    return [i for i in k if k[i] == min(k.values())]


def slices(values, chances):
    """Return (low, high, chance to exceed low) between neighbouring values."""
    return [
        (low, high, sum(p for x, p in zip(values, chances) if x > low))
        for low, high in pairwise(sorted(set(values)))
    ]


def certified(tree, answer):
    """Return V and the layers at every inner node; V has both certificates."""
    saddles = answer.get("saddle_weights", {})
    require(set(saddles) <= set(tree.inner), "saddle_weights: other nodes")
    value, layers = {}, {}
    for name in sorted(tree.inner, key=tree.time.get, reverse=True):
        after = tree.after(name)
        p = [tree.p[c] for c in after]
        z = [tree.s[c] + value.get(c, 0) for c in after]
        mixtures = [tree.prefs[i][name] for i in tree.agents]
        saddle = saddle_of(saddles.get(name), tree.agents, mixtures)
        primal, dual = check_node(z, p, mixtures, saddle)
        require(primal == dual, f"node {name}: {primal} is not {dual}")
        value[name] = primal
        blends = [blended(m, w) for m, w in zip(mixtures, saddle)]
        layers[name] = []
        for low, high, u in slices(z, p):
            k = {i: distorted(b, u) for i, b in zip(tree.agents, blends)}
            row = {"lo": low, "hi": high, "u": u, "k": k, "argmin": cheapest(k)}
            layers[name].append(row)
        shares = [row.get("one_optimal_share") for row in answer["layers"][name]]
        if any(shares):
            check_shares(tree, name, z, layers[name], shares, primal)
    return value, layers


def saddle_of(given, names, agents):
    """Return the weights of each agent's mixtures: given, or all on a single one."""
    if given is None:
        require(max(map(len, agents)) == 1, "weights of the mixtures are missing")
        given = {name: ["1"] for name in names}
    require(list(given) == names, "saddle_weights: other agents")
    weights = [[Fraction(w) for w in given[name]] for name in names]
    for name, own, mixtures in zip(names, weights, agents):
        require(len(own) == len(mixtures), f"saddle_weights of {name}: their number")
        require(sum(own) == 1 and min(own) >= 0, f"saddle_weights of {name}: their sum")
    return weights


def check_shares(tree, name, z, layers, shares, value):
    """Check that given shares of the layers cost V; put them into the layers."""
    kept = {i: [Fraction(0)] * len(z) for i in tree.agents}
    for row, share in zip(layers, shares):
        row["one_optimal_share"] = share = {i: Fraction(x) for i, x in share.items()}
        require(list(share) == tree.agents, "one_optimal_share: other agents")
        require(sum(share.values()) == 1, "one_optimal_share does not sum to 1")
        for i, part in share.items():
            width = row["hi"] - row["lo"]
            kept[i] = [k + part * width * (x > row["lo"]) for k, x in zip(kept[i], z)]
    cost = min(z) + sum(tree.kept_risk(i, name, kept[i]) for i in tree.agents)
    require(cost == value, f"one_optimal_share costs {cost}")


def computed(case, tree):
    """Return the answer: what the file must hold, every field of it."""
    given = case["answer"]
    value, layers = certified(tree, given)
    answer = {"V": value, "layers": layers}
    stages = range(tree.horizon)
    answer["E_V_by_time"] = {str(t): tree.of_stage(value, t) for t in stages}
    if "saddle_weights" in given:  # its use is the check: see `certified`
        answer["saddle_weights"] = given["saddle_weights"]
        for j, mixture in enumerate(tree.prefs["1"][tree.root]):
            answer[f"value_if_agent1_used_only_mixture_{j}"] = alone(tree, mixture)
    if tree.endowments:
        risks = {i: tree.risk_to_go(i, tree.endowments[i]) for i in tree.agents}
        surplus = {v: sum(risks[i][v] for i in risks) - value[v] for v in value}
        answer["IR_level"], answer["surplus"] = risks, surplus
        answer["risk_interval"] = {
            i: {v: [row[v] - surplus[v], row[v]] for v in row}
            for i, row in risks.items()
        }
    if "deterministic_g" in given:
        fixed = Fixed(tree)
        answer |= fixed_today(fixed, answer, given)
    if "essinf" in given:
        answer["essinf"] = lower_ends(tree, value)
    if "Z_risks" in given:
        answer |= two_contracts(case["title"], Fixed(tree))
    return answer


def alone(tree, mixture):
    """Return the value of one period if agent 1 used one mixture only."""
    after, others = tree.after(tree.root), tree.agents[1:]
    mixtures = [[mixture], *(tree.prefs[i][tree.root] for i in others)]
    require(all(len(m) == 1 for m in mixtures), "more than one agent with mixtures")
    z, p = [tree.s[c] for c in after], [tree.p[c] for c in after]
    primal, dual = check_node(z, p, mixtures, [[Fraction(1)]] * len(mixtures))
    require(primal == dual, "alone: no certificate")
    return primal


def lower_ends(tree, value):
    """Return the smallest values of S and V at time 1, and of their sum."""
    now = [v for v in tree.names if tree.time[v] == 1]
    s1, r1 = min(tree.s[v] for v in now), min(value[v] for v in now)
    both = min(tree.s[v] + value[v] for v in now)
    return {"s1": s1, "r1": r1, "s1_plus_r1": s1 + r1, "essinf_S1_plus_R1": both}


# --- contracts for time 2 that are fixed at time 0 ------------------------------------


class Fixed:
    """Layers of S_2 with constants, for two periods and one mixture an agent."""

    def __init__(self, tree):
        require(tree.horizon == 2, "fixed contracts: two periods")
        self.agents, self.chance = tree.agents, tree.chance
        self.states = [v for v in tree.names if tree.time[v] == 1]
        leaves = [v for v in tree.names if tree.time[v] == 2]
        values, chances = [tree.s[v] for v in leaves], [tree.chance[v] for v in leaves]
        self.base, self.layers = min(values), slices(values, chances)
        self.own = {}  # k(tail given the state), by agent, state and layer
        self.seen = {}  # k(tail as seen from time 0)
        for i in self.agents:
            for v in self.states:
                (mixture,) = tree.prefs[i][v]
                for j, (low, _, u) in enumerate(self.layers):
                    after = tree.after(v)
                    tail = sum(tree.p[c] for c in after if tree.s[c] > low)
                    self.own[i, v, j] = distorted(mixture, tail)
                    self.seen[i, v, j] = distorted(mixture, u)

    def mean(self, k, i, j):
        """Return the mean of k over the states."""
        return sum(self.chance[v] * k[i, v, j] for v in self.states)

    def rows(self, k, name):
        """Return the layers with the mean k of each agent, and their total cost."""
        rows, total = [], self.base
        for j, (low, high, u) in enumerate(self.layers):
            means = {i: self.mean(k, i, j) for i in self.agents}
            row = {"lo": low, "hi": high, name: means, "argmin": cheapest(means)}
            rows.append(row | ({"u": u} if k is self.seen else {}))
            total += (high - low) * min(means.values())
        return rows, total

    def risk(self, k, i, v, shares):
        """Return agent i's risk at a state of the layers it carries."""
        widths = [high - low for low, high, _ in self.layers]
        return sum(w * x * k[i, v, j] for j, (w, x) in enumerate(zip(widths, shares)))


def fixed_today(fixed, answer, given):
    """Return the fields on contracts for time 2 that are fixed at time 0."""
    found, limits = {}, {}
    for i in fixed.agents:
        limits[i] = {v: answer["IR_level"][i][v] for v in fixed.states}
    rows, total = fixed.rows(fixed.own, "H")
    found["deterministic_g"] = {"E_total": total, "layers": rows}
    shares = {i: [Fraction(r["argmin"] == [i]) for r in rows] for i in fixed.agents}
    require(all(len(r["argmin"]) == 1 for r in rows), "fixed contracts: a tie")
    bounds = {
        i: min(limits[i][v] - fixed.risk(fixed.own, i, v, shares[i]) for v in limits[i])
        for i in fixed.agents
    }
    window = {"upper_bounds": bounds, "sum": sum(bounds.values())}
    window["required_sum"] = fixed.base
    window["feasible"] = window["sum"] >= fixed.base
    for field in {"(47)", "(47)_for_deterministic_g"} & set(given):
        found[field] = window
    if "marginal" in given:
        found["marginal"] = marginal(fixed, given["marginal"])
    field = "E_total_conditional_state_dependent"
    if field in given:
        found[field] = answer["E_V_by_time"]["1"]
    if "F1_measurable_premium_received_by_agent_1" in given:
        one, two = fixed.agents
        found["F1_measurable_premium_received_by_agent_1"] = {
            v: [
                fixed.risk(fixed.own, one, v, shares[one]) - limits[one][v],
                limits[two][v] - fixed.risk(fixed.own, two, v, shares[two]),
            ]
            for v in fixed.states
        }
    if "(44)_optimum_with_IR" in given:
        best, contract = rational_optimum(fixed, limits), given["(44)_optimum_with_IR"]
        check_contract(fixed, limits, contract, best)
        found["(44)_optimum_with_IR"] = contract | {"E_total": best}
    return found


def marginal(fixed, given):
    """Return the optimum judged by the law of S_2 as seen from time 0."""
    rows, total = fixed.rows(fixed.seen, "kbar")
    found = {"E_total": total, "layers": rows}
    if "total_risk_by_regime" in given:
        owners = [row["argmin"][0] for row in rows]
        shares = {i: [Fraction(i == o) for o in owners] for i in fixed.agents}
        found["total_risk_by_regime"] = {
            v: fixed.base
            + sum(fixed.risk(fixed.seen, i, v, shares[i]) for i in fixed.agents)
            for v in fixed.states
        }
    return found


def rational_optimum(fixed, limits):
    """Return the least expected total of one layer shared within limits on the risks.

    Agent 1 carries the part x, agent 2 the rest.  Constants exist if the sum of what
    the limits leave, a concave function of x, is at least the sure loss.  The total is
    linear in x: its minimum lies at an end of [0, 1] or where two lines balance.
    """
    require(len(fixed.layers) == 1 and len(fixed.agents) == 2, "one layer, two agents")
    one, two = fixed.agents

    def room(v, w, x):  # what agent 1 at state v and agent 2 at w can pay at most
        return (
            limits[one][v]
            - fixed.risk(fixed.own, one, v, [x])
            + limits[two][w]
            - fixed.risk(fixed.own, two, w, [1 - x])
            - fixed.base
        )

    pairs = [(v, w) for v in fixed.states for w in fixed.states]
    ends = [Fraction(0), Fraction(1)]
    for v, w in pairs:
        low, high = room(v, w, ends[0]), room(v, w, ends[1])
        if low != high and 0 <= -low / (high - low) <= 1:
            ends.append(-low / (high - low))
    feasible = [x for x in ends if min(room(v, w, x) for v, w in pairs) >= 0]
    return min(expected(fixed, {one: [x], two: [1 - x]}) for x in feasible)


def expected(fixed, shares):
    """Return the expected total risk of shares of the layers."""
    return fixed.base + sum(
        fixed.chance[v] * fixed.risk(fixed.own, i, v, shares[i])
        for i in fixed.agents
        for v in fixed.states
    )


def check_contract(fixed, limits, contract, best):
    """Check that shares and constants are rational and cost the optimum."""
    shares = {i: [Fraction(x) for x in row] for i, row in contract["shares"].items()}
    constants = {i: Fraction(c) for i, c in contract["constants"].items()}
    require(list(shares) == list(constants) == fixed.agents, "(44): other agents")
    require(all(sum(part) == 1 for part in zip(*shares.values())), "(44): shares")
    require(sum(constants.values()) == fixed.base, "(44): constants")
    for i, row in limits.items():
        for v, limit in row.items():
            cost = fixed.risk(fixed.own, i, v, shares[i]) + constants[i]
            require(cost <= limit, f"(44): agent {i} would leave at {v}")
    require(expected(fixed, shares) == best, "(44): another contract costs less")


def two_contracts(title, fixed):
    """Return the risks of the contracts Z and Y that the title names, on one layer."""
    require("Z=(S/2-5/8, S/2+5/8)" in title and "Y=(S-3/4, 3/4)" in title, "the title")
    one, two = fixed.agents
    found = {}
    for name, part, constant in (("Z", "1/2", "-5/8"), ("Y", "1", "-3/4")):
        x, c = Fraction(part), Fraction(constant)
        shares = {one: ([x], c), two: ([1 - x], -c)}
        found[f"{name}_risks"] = {
            i: {v: fixed.risk(fixed.own, i, v, kept) + paid for v in fixed.states}
            for i, (kept, paid) in shares.items()
        }
    limits = found["Z_risks"]
    total = expected(fixed, {one: [Fraction(1, 2)], two: [Fraction(1, 2)]})
    gain = total - rational_optimum(fixed, limits)
    return found | {"max_agentwise_improvement_over_Z": gain}


# --- a case, the file -----------------------------------------------------------------


def exact(data):
    """Return the data with every string that is a number as a fraction."""
    if isinstance(data, dict):
        return {key: exact(value) for key, value in data.items()}
    if isinstance(data, list):
        return [exact(value) for value in data]
    try:
        return Fraction(data) if isinstance(data, str) else data
    except ValueError:
        return data


def check_programmes(check, answer):
    """Compare the floating results of linear programmes with the exact ones."""
    exact_of = {
        "lp_V": lambda: answer["V"],
        "deterministic_g_lp": lambda: answer["deterministic_g"]["E_total"],
        "marginal_lp_unrestricted": lambda: answer["marginal"]["E_total"],
        "deterministic_g_ir_lp": lambda: answer["(44)_optimum_with_IR"]["E_total"],
        "agentwise_improvement_lp": lambda: answer["max_agentwise_improvement_over_Z"],
    }
    require(check.get("tol") == TOLERANCE, f"check.tol is not {TOLERANCE}")
    require(set(check) <= {"tol", *exact_of}, "check: an unknown field")
    for field in set(check) - {"tol"}:
        found, right = check[field], exact_of[field]()
        if not isinstance(found, dict):
            found, right = {"": found}, {"": right}
        require(set(found) == set(right), f"check.{field}: other nodes")
        for name, value in found.items():
            near = abs(value - right[name]) <= TOLERANCE
            require(near, f"check.{field}{name}: {value} is not {right[name]}")


def check_case(case):
    """Check everything in a case; return at how many nodes V was certified."""
    fields = {"id", "title", "note", "reading", "T", "agents", "nodes", "prefs"}
    fields |= {"answer", "check"}
    require(set(case) - {"endowments"} == fields, "unknown or missing fields")
    given, right = exact(case["answer"]), exact(computed(case, Tree(case)))
    require(set(given) == set(right), f"answer: fields {set(given) ^ set(right)}")
    for field, value in right.items():
        said = json.dumps(value, default=str)
        require(given[field] == value, f"{field}: {said[:200]} is right")
    check_programmes(case["check"], right)
    return len(given["V"])


def main():
    """Check all cases of the file."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CASES
    passed = failed = 0
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        try:
            count = check_case(case)
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            failed += 1
            print(f"{case['id']}: FAILED, {type(error).__name__}: {error}")
        else:
            passed += 1
            print(f"{case['id']}: primal = dual = answer at {count} node(s)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

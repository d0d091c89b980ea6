"""Parameters of a chapter drawn at random from the domains that it declares."""

import math

import numpy as np

from dynpo_lite.companion.rerun import parameters

# for the time of a run: by night what else is counted is drawn up to its own end
MOST = {"n_samples": 800, "n_paths": 800, "n_economies": 12, "n_instances": 10}
MOST_BY_DAY = {"n_samples": 400, "n_paths": 400, "n_economies": 5, "n_instances": 3}
MOST_BY_DAY |= {"horizon": 3, "n_agents": 3, "n_states": 60}


def draw(notebook, rng, most=MOST):
    """Return legal values of all parameters but paths: ends, equal ones, any others.

    ``most`` are the largest numbers of samples.
    """
    values = {}
    for p in parameters.read_parameters(parameters.find_notebook(notebook)):
        if p.type is not str:
            value = _number(p, rng, most)
            twins = [v for n, v in values.items() if _alike(n) == _alike(p.name)]
            if p.type is float and twins and rng.random() < 0.15:
                value = twins[-1]
            values[p.name] = p.coerce(value)
    return values


def _alike(name):
    return name.replace("agent1", "agent2")


def _number(p, rng, most):
    domain = parameters.parse_domain(p.domain, p.type)
    low, high = domain.low, domain.high
    end = rng.random()
    if p.type is int:
        top = min(high, most.get(p.name, 10**18))
        if end < 0.1 or low >= top:
            return int(low)
        if end < 0.2 and top == high:
            return int(high)
        return int(low + (top - low + 1) * rng.random() ** 2)  # small ones are fast
    if end < 0.1:
        return low if domain.low_closed else math.nextafter(low, math.inf)
    if end < 0.2 and math.isfinite(high):
        return high if domain.high_closed else 1 - 10.0 ** -rng.integers(1, 17)
    if low > 0 and high / low > 1e6:
        return 10.0 ** rng.uniform(*np.log10([low, high]))
    value = rng.uniform(low, high)
    rounded = round(value, 1)
    return rounded if rounded in domain and rng.random() < 0.2 else value

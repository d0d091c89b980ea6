"""What a solution is compared with: other arrangements, and other simulated paths."""

import warnings
from functools import partial
from typing import Any

import numpy as np

from dynpo_lite import Economy, Solution, baselines, replicate
from dynpo_lite.companion.files.economy_file import EconomyFile
from dynpo_lite.companion.files.solution_tables import digits
from dynpo_lite.economy.baselines import TOL

REPEATS = 12  # random halves, and quarters
FEWEST = 40  # paths that can be halved twice


def arrangements(file: EconomyFile, solution: Solution) -> list[dict[str, Any]]:
    """Return what people do instead, and this solution, judged alike.

    Parameters
    ----------
    file : EconomyFile
        For the conditional law.
    solution : Solution

    Returns
    -------
    list of dict
        With ``name``, ``total_risk``, ``nodes_left``: at how many nodes before the
        horizon somebody would rather go on alone, and ``nodes``: how many there are.

    Examples
    --------
    >>> from dynpo_lite.companion.files.economy_file import example_path, load_economy
    >>> chain = load_economy(example_path("chain"))
    >>> for each in arrangements(chain, chain.solve()):
    ...     print(each["name"], each["nodes_left"])
    no trade 0
    quota share 10
    yearly layers 0
    myopic 9
    dynamic optimum 0
    """
    economy = file.economy
    inner = economy.scenarios.n_inner
    rows = [(x.name, x.total, len(x.leaving)) for x in baselines(economy).values()]
    if file.retention != "state-dependent" or not file.individually_rational:
        worse = solution.risk_to_go > solution.risk_without_trade + TOL * economy.scale
        total = float(solution.total_risk_to_go[0])
        rows.append(("as this file asks", total, int(worse.any(axis=0).sum())))
    keys = ("name", "total_risk", "nodes_left", "nodes")
    return [
        dict(zip(keys, (name, digits(total, economy.scale), left, inner)))
        for name, total, left in rows
    ]


def error_bar(file: EconomyFile) -> dict[str, Any] | None:
    """Return how far the answers move on random halves and quarters of the paths.

    Parameters
    ----------
    file : EconomyFile

    Returns
    -------
    dict or None
        None where there are no paths, or too few.  ``paths`` of each size; ``rows``
        with ``what``, the ``answer`` for all paths, its ``standard_error``, and the
        ``drift`` from quarters to halves.

    Notes
    -----
    The spread of the answers of random halves is the standard error of the answer for
    all paths: a half leaves out as much as it keeps.  If the systematic part shrinks
    like one over the number of paths, half of the drift is still to come.
    """
    paths = file.paths
    if paths is None or len(paths.names) < FEWEST:
        return None
    n = len(paths.names)
    sizes = n // 4, n // 2
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        try:
            found = replicate(partial(_on_some, file), range(REPEATS), sizes)
        except ValueError as error:  # a state that too few paths visit
            return {"available": False, "reason": " ".join(str(error).split())}
    solution = file.solve()
    alone = solution.risk_without_trade[:, 0]
    answers = [("total risk with trade", solution.total_risk_to_go[0], found.value)]
    answers.append(("saved by trade", solution.surplus[0], found.surplus))
    answers += [(f"{a} alone", *x) for a, *x in zip(file.names, alone, found.alone)]
    rows = []
    for what, answer, seen in answers:
        spread, drift = seen[-1].std(ddof=1), seen[-1].mean() - seen[0].mean()
        numbers = digits([answer, spread, drift], file.economy.scale)
        keys = ("what", "answer", "standard_error", "drift")
        rows.append(dict(zip(keys, [what, *numbers])))
    return {"available": True, "paths": [*sizes, n], "repeats": REPEATS, "rows": rows}


def _on_some(file: EconomyFile, seed: int, size: int) -> Economy:
    assert file.paths is not None
    rng = np.random.default_rng([seed, size])
    rows = np.sort(rng.choice(len(file.paths.names), size, replace=False))
    return file.of_paths(file.paths.some(rows))

"""For which endowments do premia leave nobody worse off at time 1?"""

import numpy as np

from dynpo_lite.base.lp import InfeasibleProgramme, solve_lp
from dynpo_lite.section6.assessment import Assessment
from dynpo_lite.section6.contracts import TIED, WHOLES, Layers


def endowment_range(judge: Assessment, layers: Layers) -> tuple[float, float]:
    """Return the least and the largest ``w1`` for which premia exist, marginal law.

    Layers in which the agents tie are shared in any one proportion; both ends are nan
    where no endowments admit premia.
    """
    ties = [layer for layer in layers if layer.shares == TIED]
    whole, owned, tied = (
        judge.of_each(part) / judge.losses.mean
        for part in (WHOLES, [layer for layer in layers if layer not in ties], ties)
    )
    # variables w1, q (agent 1's part of the ties), c:  kept + ... + c <= endowed
    ones = np.ones(len(judge.regimes))
    rows = np.vstack(
        [
            np.column_stack([-whole[0], 2 * tied[0], ones]),
            np.column_stack([whole[1], -2 * tied[1], -ones]),
        ]
    )
    limits = np.hstack([-owned[0], whole[1] - owned[1] - 2 * tied[1]])
    bounds = [(0, 1), (0, 1), (None, None)]
    ends = []
    for sign in (1, -1):
        try:
            found = solve_lp([sign, 0, 0], rows, limits, bounds=bounds)
        except InfeasibleProgramme:
            return np.nan, np.nan
        ends.append(float(found.x[0]))
    return ends[0] + 0.0, ends[1] + 0.0

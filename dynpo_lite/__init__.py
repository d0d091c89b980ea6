"""Dynamic Pareto-optimal risk sharing: the package behind the companion book.

Names listed in ``__all__`` are public; everything else may change.
"""

from dynpo_lite.economy.baselines import Arrangement, baselines
from dynpo_lite.economy.bills import Bills
from dynpo_lite.economy.certificate import check_allocation
from dynpo_lite.economy.deterministic import Infeasible
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.myopic import myopic_optimum, swap_interval
from dynpo_lite.economy.replicate import Replications, replicate
from dynpo_lite.economy.report import Report, Trade
from dynpo_lite.economy.smooth import smooth_premia
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.solve import solve
from dynpo_lite.risk.crossings import Minimum
from dynpo_lite.risk.distortions import (
    Distortion,
    DualPower,
    Expectation,
    ExpectedShortfall,
    Mixture,
    PiecewiseLinear,
    ProportionalHazard,
    Wang,
    WorstCase,
)
from dynpo_lite.risk.measures import Supremum, choquet
from dynpo_lite.scenarios.from_paths import (
    lattice_from_paths,
    lattice_from_sampler,
    tree_from_paths,
)
from dynpo_lite.scenarios.lattice import ScenarioLattice
from dynpo_lite.scenarios.nested_risk import risk_to_go
from dynpo_lite.scenarios.tree import ScenarioTree
from dynpo_lite.section6.example import TwoPeriodExample
from dynpo_lite.sharing.improvement import (
    comonotone_improvement,
    convex_order_gap,
    is_comonotone,
)
from dynpo_lite.sharing.layers import Layer, SharedLoss, share_layers
from dynpo_lite.vectors.functionals import Polyhedral, max_correlation_risk
from dynpo_lite.vectors.sharing import SharedVector, Unbounded, vector_inf_convolution

__version__ = "0.1.0"
__all__ = [
    "Arrangement",
    "Bills",
    "Distortion",
    "DualPower",
    "Economy",
    "Expectation",
    "ExpectedShortfall",
    "Infeasible",
    "Layer",
    "Minimum",
    "Mixture",
    "PiecewiseLinear",
    "Polyhedral",
    "ProportionalHazard",
    "Replications",
    "Report",
    "ScenarioLattice",
    "ScenarioTree",
    "SharedLoss",
    "SharedVector",
    "Solution",
    "Supremum",
    "Trade",
    "TwoPeriodExample",
    "Unbounded",
    "Wang",
    "WorstCase",
    "baselines",
    "check_allocation",
    "choquet",
    "comonotone_improvement",
    "convex_order_gap",
    "is_comonotone",
    "lattice_from_paths",
    "lattice_from_sampler",
    "max_correlation_risk",
    "myopic_optimum",
    "replicate",
    "risk_to_go",
    "share_layers",
    "smooth_premia",
    "solve",
    "swap_interval",
    "tree_from_paths",
    "vector_inf_convolution",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

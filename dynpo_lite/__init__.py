"""Dynamic Pareto-optimal risk sharing: the package behind the companion book.

Names listed in ``__all__`` are public; everything else may change.
"""

from .certificates import check_allocation
from .deterministic import Infeasible
from .distortions import (
    DualPower,
    Expectation,
    ExpectedShortfall,
    Minimum,
    Mixture,
    PiecewiseLinear,
    ProportionalHazard,
    Wang,
    WorstCase,
)
from .dynamic import risk_to_go
from .economy import Economy, is_comonotone
from .improvement import comonotone_improvement, convex_order_gap
from .layers import Layer, share_layers
from .measures import Supremum, choquet
from .myopic import myopic_optimum, swap_interval
from .optima import solve
from .paths import tree_from_paths
from .tree import ScenarioTree
from .two_period import TwoPeriodExample
from .vector_sharing import SharedVector, Unbounded, vector_inf_convolution
from .vectors import Polyhedral, max_correlation_risk

__version__ = "0.1.0"
__all__ = [
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
    "ScenarioTree",
    "SharedVector",
    "Supremum",
    "TwoPeriodExample",
    "Unbounded",
    "Wang",
    "WorstCase",
    "check_allocation",
    "choquet",
    "comonotone_improvement",
    "convex_order_gap",
    "is_comonotone",
    "max_correlation_risk",
    "myopic_optimum",
    "record",
    "risk_to_go",
    "share_layers",
    "solve",
    "swap_interval",
    "tree_from_paths",
    "vector_inf_convolution",
]


def __getattr__(name):
    # record belongs to the companion, which the mathematics never loads by itself
    if name == "record":
        from .companion.record import record

        return record
    raise AttributeError(f"module 'dynpo_lite' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)

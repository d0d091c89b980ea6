"""Dynamic Pareto-optimal risk sharing: the package behind the companion book.

Names listed in ``__all__`` are public; everything else may change.
"""

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
from .layers import Layer, share_layers
from .measures import Supremum, choquet
from .tree import ScenarioTree
from .two_period import TwoPeriodExample

__version__ = "0.1.0"
__all__ = [
    "DualPower",
    "Expectation",
    "ExpectedShortfall",
    "Layer",
    "Minimum",
    "Mixture",
    "PiecewiseLinear",
    "ProportionalHazard",
    "ScenarioTree",
    "Supremum",
    "TwoPeriodExample",
    "Wang",
    "WorstCase",
    "choquet",
    "record",
    "risk_to_go",
    "share_layers",
]


def __getattr__(name):
    # record belongs to the companion, which the mathematics never loads by itself
    if name == "record":
        from .companion.record import record

        return record
    raise AttributeError(f"module 'dynpo_lite' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)

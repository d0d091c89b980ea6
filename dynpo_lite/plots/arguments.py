"""What all figures are given: agents' names, a node, what is shared."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from dynpo_lite import Layer, SharedLoss, Solution
from dynpo_lite.base import validate

Shared: TypeAlias = Solution | SharedLoss | Sequence[Layer]


def names_of(names: Sequence[str] | None, n_agents: int) -> list[str]:
    """Return the agents' names, "agent 0" and so on by default.

    Examples
    --------
    >>> names_of(["Coast"], 2)
    Traceback (most recent call last):
    ...
    ValueError: names = ['Coast'] are 1: give 2, one for each agent
    """
    if names is None:
        return [f"agent {i}" for i in range(n_agents)]
    if isinstance(names, str):
        raise TypeError(f"names = {names!r} is a text: give a list of names")
    given = [str(name) for name in validate.entries("names", names)]
    if len(given) != n_agents:
        raise ValueError(
            f"names = {given} are {len(given)}: give {n_agents}, one for each agent"
        )
    return given


def layers_of(shared: Shared, node: Any = 0) -> tuple[tuple[Layer, ...], int | None]:
    """Return the layers of a loss, or of the total at a node, and how many agents."""
    if isinstance(shared, SharedLoss):
        return shared.layers, shared.n_agents
    if isinstance(shared, Solution):
        (node,) = shared.economy.scenarios.ways_from(node).node.tolist()
        by_time = shared.retention == "deterministic"
        key = int(shared.economy.scenarios.stage[node]) + 1 if by_time else node
        return shared.layers[key], shared.economy.n_agents
    layers = tuple(shared) if isinstance(shared, Sequence) else None
    if layers is None or not all(isinstance(layer, Layer) for layer in layers):
        raise TypeError(
            f"shared = {shared!r} holds no layers: give a Solution, a SharedLoss or "
            "a sequence of Layer"
        )
    return layers, len(layers[0].shares) if layers else None

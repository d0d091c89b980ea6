"""Time rivals on the same arrays, compare their answers, write rows of a table."""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

AGREEMENT = 1e-9  # largest relative difference between two answers to one question
LEAST, MOST = 5, 300  # rounds of a race


@dataclass(frozen=True)
class Peer:
    """A rival of ours.

    ``answer`` turns what ``call`` returns into what ours returns, for comparison; None
    where the peer does only a part of the work, as a sort does.
    """

    name: str
    call: Callable
    answer: Callable | None = None


@dataclass(frozen=True)
class Target:
    """At most ``limit`` times the time of ``peer``; without one, ``limit`` seconds."""

    limit: float
    peer: str | None = None

    def __str__(self):
        return duration(self.limit) if self.peer is None else f"{self.limit}x"


def same(value):
    """Return ``value``: for a peer that answers in the form of ours."""
    return value


def race(task, ours, peers, target=None, seconds=4.0, answer=same):
    """Print one row a peer: both times, their ratio, the target and the verdict.

    Parameters
    ----------
    task : str
    ours : callable
        Takes no argument.
    peers : sequence of Peer
    target : Target, optional
    seconds : float
        The rounds, all rivals in turn, go on for so long, and at least five times.
    answer : callable
        Turns what ``ours`` returns into a number, an array or a tuple of these.

    Raises
    ------
    AssertionError
        If a peer's answer differs from ours by more than 1e-9, relatively.
    """
    result, ours_peak = first_call(ours)
    expected = answer(result)
    del result
    differences, peaks = {}, {}
    for peer in peers:
        result, peaks[peer.name] = first_call(peer.call)
        if peer.answer is not None:
            found = difference(expected, peer.answer(result))
            assert found <= AGREEMENT, f"{task}: {peer.name} differs by {found:.1e}"
            differences[peer.name] = found
        del result
    del expected
    ours_time, *times = shortest([ours, *(peer.call for peer in peers)], seconds)
    shown = peers[0].name if target is None or target.peer is None else target.peer
    for peer, peer_time in zip(peers, times):
        row(
            task,
            f"{duration(ours_time)}, {size(ours_peak)}",
            f"{peer.name}: {duration(peer_time)}, {size(peaks[peer.name])}",
            ours_time / peer_time,
            *verdict(target if peer.name == shown else None, ours_time, peer_time),
            differences.get(peer.name),
        )


def first_call(call):
    """Return what a call returns and the memory it needs at its peak, in bytes."""
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def shortest(calls, seconds):
    """Return the shortest time of each call; they take turns, so load hits them all."""
    best = [np.inf] * len(calls)
    spent = [0.0] * len(calls)
    start = time.perf_counter()
    for done in range(MOST):
        elapsed = time.perf_counter() - start
        if done >= LEAST and elapsed > seconds:
            break
        for i, call in enumerate(calls):
            # a slow rival must not eat the rounds of the others
            if done >= LEAST and spent[i] > seconds / len(calls):
                continue
            begin = time.perf_counter()
            call()
            took = time.perf_counter() - begin
            best[i] = min(best[i], took)
            spent[i] += took
    return best


def difference(expected, found):
    """Return the largest difference, relative to the largest value expected.

    Answers of several parts, as a value and an allocation, are tuples.
    """
    if isinstance(expected, tuple):
        return max(difference(a, b) for a, b in zip(expected, found, strict=True))
    expected, found = np.asarray(expected), np.asarray(found)
    assert expected.shape == found.shape, (expected.shape, found.shape)
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def verdict(target, ours_time, peer_time):
    """Return the target and the verdict as a row shows them; blank without a target."""
    if target is None:
        return "", ""
    reached = ours_time if target.peer is None else ours_time / peer_time
    return str(target), "met" if reached <= target.limit else "MISSED"


def header():
    """Print the head of the table."""
    names = "task", "ours", "peer", "ours / peer", "target", "verdict", "difference"
    print(f"| {' | '.join(names)} |")
    print("| --- " * len(names) + "|", flush=True)


def row(task, ours, peer, ratio, target="", result="", differs=None):
    """Print one row."""
    differs = "" if differs is None else f"{differs:.0e}"
    cells = task, ours, peer, f"{ratio:.3g}", target, result, differs
    print(f"| {' | '.join(cells)} |", flush=True)


def duration(seconds):
    """Write seconds readably."""
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def size(n_bytes):
    """Write a number of bytes readably."""
    return f"{n_bytes / 1e6:.3g} MB"

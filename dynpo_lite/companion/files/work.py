"""Work that may take long: a word about it after a while, and a limit of time."""

import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

PATIENCE = 2.0  # seconds without a word
AGAIN = 30.0  # seconds between lines where nothing can be overwritten


class OutOfTime(Exception):
    """The limit was reached before the work was done."""


class Work:
    """Does one thing after the other, within a limit of time for all of them.

    Parameters
    ----------
    seconds : float, optional
        The limit, counted from now.  With one, everything is done in processes of their
        own, which end with it; they start anew for each piece of work.
    aloud : bool
        Whether to say on stderr what takes more than two seconds.

    Examples
    --------
    >>> Work().do("adding up", sum, [1, 2])
    3
    """

    def __init__(self, seconds: float | None = None, aloud: bool = False) -> None:
        self.seconds, self.aloud = seconds, aloud
        self._start = time.monotonic()

    def do(self, what: str, call: Callable, *arguments: Any) -> Any:
        """Return what the call returns, or raise `OutOfTime`."""
        with _told(f"dynpo: {what}") if self.aloud else nullcontext():
            if self.seconds is None:
                return call(*arguments)
            left = self._start + self.seconds - time.monotonic()
            return _within(left, call, arguments)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what is done and for how long, on one line where a terminal shows it."""
    done, terminal, begun = threading.Event(), sys.stderr.isatty(), time.monotonic()
    start, end, again = ("\r", "", 1.0) if terminal else ("", "\n", AGAIN)
    say = partial(print, file=sys.stderr, flush=True)

    def tell() -> None:
        pause = PATIENCE
        while not done.wait(pause):
            pause = again
            say(f"{start}{what} ... {time.monotonic() - begun:.0f} s", end=end)
        if terminal and pause == again:
            say(f"\r{' ' * (len(what) + 12)}\r", end="")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _within(seconds: float, call: Callable, arguments: tuple) -> Any:
    """Call in a process that is killed after some seconds: compiled code as well."""
    if seconds <= 0:
        raise OutOfTime
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _alone, (seconds,)) as pool:
        answer = pool.submit(call, *arguments)
        try:
            if not wait([answer], seconds).done:
                raise OutOfTime
            return answer.result()
        except BrokenProcessPool:
            raise MemoryError("a process ended without an answer") from None
        finally:
            for process in multiprocessing.active_children():
                process.kill()


def _alone(seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked is told, and ends it
    if hasattr(signal, "setitimer"):  # or, if who asked was killed, the system does
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)

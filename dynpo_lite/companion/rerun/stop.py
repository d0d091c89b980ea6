"""Signals that ask the process to end, as exceptions: everything is tidied up."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, NoReturn


class Stopped(KeyboardInterrupt):
    """The process was asked to end.

    Attributes
    ----------
    code : int
        The exit code, 128 and the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` inside when a signal comes; the handlers before come back."""
    with ExitStack() as after:
        for number in _signals():
            after.callback(signal.signal, number, signal.signal(number, _raise))
        yield


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


def tell_of_stops(loop: Any, tell: Callable[[int], None]) -> None:
    """Let a running event loop call ``tell(number)`` when a signal comes.

    Nothing may be raised inside the loop, it would leave tasks behind.  Call it within
    `stoppable`, which brings the handlers before back.
    """
    for number in _signals():
        loop.add_signal_handler(number, tell, number)


def _signals() -> list[signal.Signals]:
    """Return the signals to care about: none in threads, no ignored ones (nohup)."""
    if threading.current_thread() is not threading.main_thread():
        return []
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return [n for n in wanted if signal.getsignal(n) not in (signal.SIG_IGN, None)]

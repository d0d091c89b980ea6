"""What pytest needs to know when it runs the tests of a mutant (tools/mutants.py)."""

import doctest
import inspect
import os
import signal

import pytest
from hypothesis import Phase, settings

TIMEOUT = 36  # the status by which mutmut knows a mutant that does not end
find, belongs = doctest.DocTestFinder._find, doctest.DocTestFinder._from_module


def find_originals(self, tests, obj, name, *arguments):
    """Leave out the copies of a function that mutmut keeps beside it."""
    if "__mutmut_" not in name:
        find(self, tests, obj, name, *arguments)


def belongs_unwrapped(self, module, obj):
    """A function that mutmut has wrapped belongs to the module it was written in."""
    return belongs(self, module, inspect.unwrap(obj) if inspect.isroutine(obj) else obj)


doctest.DocTestFinder._find = find_originals
doctest.DocTestFinder._from_module = belongs_unwrapped


def pytest_collection():
    """Stop at the first failing example: a smaller one would tell nothing more."""
    settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """End a mutant whose test takes far longer than the test of the original."""
    from mutmut.state import state

    if os.environ.get("MUTANT_UNDER_TEST", "") not in ("", "stats", "fail"):
        usual = state().duration_by_test.get(item.nodeid, 0.0)
        signal.signal(signal.SIGALRM, lambda *_: os._exit(TIMEOUT))
        signal.setitimer(signal.ITIMER_REAL, 10 + 10 * usual)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

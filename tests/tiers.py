"""The tiers of the test suite and their time limits, as hooks of pytest; CONTRIBUTING.md says what is in which."""

import faulthandler
import os
import sys

import pytest

ERRORS = pytest.StashKey()
TIERS = {"quick": 120, "slow": 300, "soak": 1200}  # seconds after which a test is ended, its stack printed
MARGIN = 20  # seconds: a test inside native code, which the first limit cannot end, is ended with its process


def tier(item):
    """The tier of a test; one that has two of them is an error."""
    found = [name for name in TIERS if item.get_closest_marker(name)]
    if len(found) > 1:
        raise pytest.UsageError(f"{item.nodeid} is marked {' and '.join(found)}; wanted one tier")
    return found[0] if found else "quick"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        name = tier(item)
        if not item.get_closest_marker(name):
            item.add_marker(name)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TIERS[name]))
    items.sort(key=lambda item: -seconds(item))  # so that no process ends with a long one while the other has none


def seconds(item):
    """How long a test takes, roughly, where its tier's marker says so; else 0."""
    return item.get_closest_marker(tier(item)).kwargs.get("seconds", 0)


def pytest_configure(config):
    config.stash[ERRORS] = os.fdopen(os.dup(sys.__stderr__.fileno()), "w")  # tests capture the descriptor itself


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    limit = item.get_closest_marker("timeout").args[0] + MARGIN
    faulthandler.dump_traceback_later(limit, exit=True, file=item.config.stash[ERRORS])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def spread(cases, quick=(), slow=(), name=lambda case: case.name):
    """The cases of a parametrised test, each in one tier: those named `quick` or `slow` there, all others in `soak`."""
    marks = {**dict.fromkeys(quick, ()), **dict.fromkeys(slow, (pytest.mark.slow,))}
    found = [pytest.param(case, id=name(case), marks=marks.get(name(case), (pytest.mark.soak,))) for case in cases]
    assert set(marks) <= {param.id for param in found}, "a named case is not there"
    return found

from types import SimpleNamespace

import pluggy
import pytest
from test_store import spec, stored

from ganbench import hookimpl, hookspecs
from ganbench.execution import Outcome
from ganbench.notification import notify


@pytest.fixture
def told(tmp_path):
    """Notifies some plugins of one finished trial; gives what was complained of."""

    def tell(*plugins):
        manager = pluggy.PluginManager("ganbench")
        manager.add_hookspecs(hookspecs)
        for i, plugin in enumerate(plugins):
            manager.register(plugin, f"dist{i}:plugin")
        trial, complaints = spec().trials()[0], []
        store = stored(tmp_path / "s", trial)
        notify(SimpleNamespace(manager=manager), store, Outcome(trial, "completed"), complaints.append)
        return complaints

    return tell


class Tracker:
    def __init__(self):
        self.seen = []

    @hookimpl
    def ganbench_trial_finished(self, trial, tables):
        self.seen.append((trial, tables))


class OnlyTheTrial(Tracker):
    @hookimpl
    def ganbench_trial_finished(self, trial):
        self.seen.append(trial)


class Broken:
    @hookimpl
    def ganbench_trial_finished(self, trial, tables):
        raise ConnectionError("tracker is down")


def test_a_tracker_gets_the_row_and_the_tables(told):
    tracker, modest = Tracker(), OnlyTheTrial()
    assert told(tracker, modest) == []
    ((row, tables),) = tracker.seen
    assert row["status"] == "completed"
    assert row["seed"] == 0
    assert len(tables["steps"]) == 2
    assert list(tables["evaluations"]["metric"]) == ["fid"]
    assert modest.seen[0]["trial"] == row["trial"]


def test_a_tracker_that_raises_is_named_and_the_others_still_hear(told):
    tracker = Tracker()
    (complaint,) = told(Broken(), tracker)
    assert "dist0:plugin" in complaint
    assert "ConnectionError: tracker is down" in complaint
    assert len(tracker.seen) == 1

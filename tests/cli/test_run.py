from types import SimpleNamespace

import pluggy
import pytest
from stored import spec, stored

from ganbench import hookimpl
from ganbench.cli.run import notify
from ganbench.interfaces import hookspecs
from ganbench.interfaces.executor import TrialResult
from ganbench.store.verify import inspect


@pytest.fixture
def told(tmp_path):
    """Notifies some plugins of one finished trial; gives what was complained of."""

    def tell(*plugins, damaged=False):
        manager = pluggy.PluginManager("ganbench")
        manager.add_hookspecs(hookspecs)
        for i, plugin in enumerate(plugins):
            manager.register(plugin, f"dist{i}:plugin")
        trial, complaints = spec().trials()[0], []
        store = stored(tmp_path / "s", trial)
        if damaged:
            (store.folder(trial) / "steps.parquet").write_bytes(b"rubbish")
        notify(SimpleNamespace(manager=manager), store, TrialResult(trial, "completed"), complaints.append)
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


class Keeper(Tracker):
    @hookimpl
    def ganbench_trial_finished(self, folder, trial):
        self.seen.append(folder)


class Changing(Tracker):
    @hookimpl
    def ganbench_trial_finished(self, trial, tables):
        trial.clear()
        tables["steps"]["step"] = -1
        tables.clear()


class Broken:
    def __init__(self, error):
        self.error = error

    @hookimpl
    def ganbench_trial_finished(self, trial, tables):
        raise self.error


def test_a_tracker_gets_the_row_and_the_tables(told):
    tracker, modest = Tracker(), OnlyTheTrial()
    assert told(tracker, modest) == []
    ((row, tables),) = tracker.seen
    assert row["status"] == "completed"
    assert row["seed"] == 0
    assert len(tables["steps"]) == 2
    assert list(tables["evaluations"]["metric"]) == ["fid"]
    assert modest.seen[0]["trial"] == row["trial"]


@pytest.mark.parametrize("error", [ConnectionError("tracker\nis down"), SystemExit("tracker is down")], ids=repr)
def test_a_tracker_that_raises_is_named_and_the_others_still_hear(told, error):
    tracker = Tracker()
    (complaint,) = told(Broken(error), tracker)
    assert "dist0:plugin" in complaint
    assert f"{type(error).__name__}: tracker is down" in complaint
    assert len(tracker.seen) == 1


def test_an_interrupt_is_not_the_trackers(told):
    with pytest.raises(KeyboardInterrupt):
        told(Broken(KeyboardInterrupt()))


def test_a_tracker_keeps_its_files_in_one_place_that_verify_does_not_take_for_a_strangers(told, tmp_path):
    keeper = Keeper()
    assert told(keeper) == []
    (folder,) = keeper.seen
    assert folder == tmp_path / "s" / "trackers"
    assert not folder.exists()
    (folder / "mine").mkdir(parents=True)
    assert inspect(tmp_path / "s") == []


def test_what_a_tracker_does_to_its_tables_no_other_sees(told):
    first, second = Tracker(), Tracker()
    assert told(first, Changing(), second) == []  # pluggy calls the last registered first
    ((row, tables),) = first.seen
    assert row["status"] == "completed"
    assert list(tables["steps"]["step"]) == [1, 2]
    assert len(second.seen) == 1


def test_a_trial_that_was_damaged_meanwhile_costs_a_sentence_and_not_the_run(told):
    tracker = Tracker()
    (complaint,) = told(tracker, damaged=True)
    assert "no tracker was told of gan-s0-" in complaint
    assert "steps.parquet" in complaint
    assert tracker.seen == []

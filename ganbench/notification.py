"""Tells plugins that a trial has ended, for trackers."""

from __future__ import annotations

from collections.abc import Callable

from ganbench.errors import DamageError, UsageError
from ganbench.isolation import isolated
from ganbench.plugins import Registry
from ganbench.store import Store
from ganbench.surroundings import Outcome


def notify(registry: Registry, store: Store, outcome: Outcome, complain: Callable[[str], None]) -> None:
    """Call ``ganbench_trial_finished`` of every plugin that has it; one that raises is named and disturbs nobody.

    Args:
        registry: the loaded plugins.
        store: where the trial's results lie.
        outcome: the trial that has ended.
        complain: gets one sentence about each plugin that raised.
    """
    implementations = registry.manager.hook.ganbench_trial_finished.get_hookimpls()
    if not implementations:
        return
    try:
        if store.trackers.is_symlink():
            raise DamageError(f"{store.trackers} is a link: remove it")
        row, tables = store.read(outcome.trial)
    except UsageError as error:  # changed since it was written: the run goes on and says so in the end
        complain(f"no tracker was told of {outcome.trial.id}: {error}")
        return
    for implementation in implementations:
        copies = {name: table.copy() for name, table in tables.items()}  # a tracker may change what it is given
        offered = {"trial": dict(row), "tables": copies, "folder": store.trackers}
        try:
            with isolated(f"plugin {implementation.plugin_name}: ganbench_trial_finished", complain):
                implementation.function(*(offered[name] for name in implementation.argnames))
        except (Exception, SystemExit) as error:  # a tracker's fault must not cost a result
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            complain(f"plugin {implementation.plugin_name}: ganbench_trial_finished raised {reason}")

"""Tells plugins that a trial has ended, for trackers."""

from __future__ import annotations

from collections.abc import Callable

from ganbench.execution import Outcome
from ganbench.plugins import Registry
from ganbench.store import Store


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
    row, tables = store.read(outcome.trial)
    offered = {"trial": row, "tables": tables}
    for implementation in implementations:
        try:
            implementation.function(*(offered[name] for name in implementation.argnames))
        except Exception as error:  # a tracker's fault must not cost a result
            complain(
                f"plugin {implementation.plugin_name}: ganbench_trial_finished raised {type(error).__name__}: {error}"
            )

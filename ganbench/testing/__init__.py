"""The conformance kit: whether a plugin keeps its contract, for the tests of plugins.

.. code-block:: python

    from ganbench.testing import check_objective

    def test_conforms():
        assert not check_objective(MyObjective)

``check_dataset``, ``check_architecture``, ``check_metric`` and ``check_tracker`` judge the other kinds.
``examine`` takes any of them and also says what was not checked.
"""

from ganbench.testing.candidate import Defect, Examination, Unchecked
from ganbench.testing.conformance import (
    check_architecture,
    check_dataset,
    check_metric,
    check_objective,
    check_tracker,
    examine,
)

__all__ = [
    "Defect",
    "Examination",
    "Unchecked",
    "check_architecture",
    "check_dataset",
    "check_metric",
    "check_objective",
    "check_tracker",
    "examine",
]

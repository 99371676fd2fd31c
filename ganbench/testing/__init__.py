"""The conformance kit: whether a plugin keeps its contract, for the tests of plugins.

.. code-block:: python

    from ganbench.testing import check_objective

    def test_conforms():
        assert not check_objective(MyObjective)

``check_dataset``, ``check_architecture``, ``check_metric`` and ``check_tracker`` judge the other kinds.
``examine`` takes any of them and also says what was not checked.
"""

from ganbench.testing.conformance import check_architecture as check_architecture
from ganbench.testing.conformance import check_dataset as check_dataset
from ganbench.testing.conformance import check_metric as check_metric
from ganbench.testing.conformance import check_objective as check_objective
from ganbench.testing.conformance import check_tracker as check_tracker
from ganbench.testing.conformance import examine as examine
from ganbench.testing.defect import Defect as Defect
from ganbench.testing.defect import Examination as Examination
from ganbench.testing.defect import Unchecked as Unchecked

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

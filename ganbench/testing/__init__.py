"""The conformance kit: whether an objective keeps its contract, for the tests of plugins.

.. code-block:: python

    from ganbench.testing import check_objective

    def test_conforms():
        assert not check_objective(MyObjective)
"""

from ganbench.testing.conformance import check_objective as check_objective
from ganbench.testing.defect import Defect as Defect

__all__ = ["Defect", "check_objective"]

"""The protocol of a row of the evaluations table: what was measured how, and why there is no value where there is none.

Apart from the evaluation itself, because who only reads tables needs no PyTorch.
"""

from __future__ import annotations

NOT_COMPUTED = " (not computed: "  # between the protocol of a NaN and its reason


def split_protocol(text: str) -> tuple[str, str]:
    """The protocol of a row, and why its value is NaN (empty where it is not)."""
    protocol, _, reason = text.partition(NOT_COMPUTED)
    return protocol, reason.removesuffix(")")

"""The protocol of a row as earlier versions wrote it: with the reason behind it where there is no value.

Apart from the evaluation itself, because who only reads tables needs no PyTorch.
"""

from __future__ import annotations

NOT_COMPUTED = " (not computed: "  # between the protocol of a NaN and its reason


def split_protocol(text: str) -> tuple[str, str]:
    """The protocol of a row, and why its value is NaN (empty where it is not)."""
    protocol, _, reason = text.partition(NOT_COMPUTED)
    return protocol, reason.removesuffix(")")

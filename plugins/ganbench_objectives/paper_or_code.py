"""Objectives whose paper and whose released code differ."""

from dataclasses import dataclass
from typing import Literal

from ganbench import Objective


@dataclass(frozen=True)
class PaperOrCode(Objective):
    """An objective with two forms: the one of its paper and the one of its authors' released code.

    Attributes:
        variant: ``paper`` or ``code``.
    """

    variant: Literal["paper", "code"] = "paper"

    def __post_init__(self):
        super().__post_init__()
        if self.variant not in ("paper", "code"):
            raise ValueError(f"variant is {self.variant!r}; it must be 'paper' or 'code'")

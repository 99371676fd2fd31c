"""Which samples a convolutional architecture can draw."""

from __future__ import annotations

from ganbench.errors import UsageError

SMALLEST = 8  # pixels


def check_image(architecture: str, sample_shape: tuple[int, ...]) -> None:
    """Pass square images whose side can be halved twice, and nothing else.

    Raises:
        UsageError: naming the architecture, the shape it was given and what to use instead.
    """
    given = f"architecture {architecture!r} draws {{}}; dataset samples have shape {sample_shape}: use mlp"
    if len(sample_shape) != 3:
        raise UsageError(given.format("images"))
    _, height, width = sample_shape
    if height != width or height < SMALLEST or height % 4:
        raise UsageError(given.format(f"square images of at least {SMALLEST} pixels a side, a multiple of 4"))

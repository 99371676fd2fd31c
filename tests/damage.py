"""Ways in which a stored file can be corrupted."""

DAMAGE = {
    "truncated": lambda content, other: content[: len(content) // 2],
    "emptied": lambda content, other: b"",
    "first bit flipped": lambda content, other: bytes([content[0] ^ 1]) + content[1:],
    "a middle bit flipped": lambda content, other: _flip(content, len(content) // 2),
    "last bit flipped": lambda content, other: _flip(content, len(content) - 1),
    "replaced": lambda content, other: other,
}


def _flip(content, place):
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]

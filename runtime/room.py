"""The memory that the bodies of all requests share: as they came, and as they are unpacked."""


class Room:
    """`size` bytes, of which `taken` are in use; what does not fit is refused, never waited for.

    Whoever held a part and waited for more could wait for another who does the same."""

    __slots__ = ("size", "taken")

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    def take(self, count: int) -> bool:
        """Whether there was room for `count` bytes more."""
        if self.taken + count > self.size:
            return False
        self.taken += count
        return True

    def give_back(self, count: int) -> None:
        """`count` bytes are free again."""
        self.taken -= count

"""How far apart the mails of one subscription are: a fleet that flaps fills nobody's mailbox. Pure.

The first change is told at once. While more follows, the pauses between mails double, and each
mail tells all that came in between; once it has been quiet for twice the last pause, the next
change is told at once again.
"""

# Doublings at most: with a first pause of a minute, half an hour and two minutes.
_DOUBLINGS = 5


def next_pause(first: float, last: float, quiet: float) -> float:
    """Seconds that must pass after this mail. `last` were so many after the one before it.

    `quiet` is how long before this mail that one went out; infinite where there was none.
    """
    if last <= 0 or quiet >= 2 * last:
        return first
    return min(2 * last, first * 2.0**_DOUBLINGS)

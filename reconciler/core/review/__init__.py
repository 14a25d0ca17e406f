"""What merging a pull request would do, as one value, for people and for machines. Pure.

`changing` finds what differs between two states of the branch, `judged` asks the policies,
`making` puts the `Review` together, and `markdown`, `table` and `documents` show it: the comment
on the pull request and `plimsoll plan --base` are the same value.
"""

from reconciler.core.review.changing import Effect, Side
from reconciler.core.review.facts import Doubt, Fact, Refused, Version
from reconciler.core.review.judged import Failing, Judged
from reconciler.core.review.making import Known, make, wanted
from reconciler.core.review.rows import Good, Row
from reconciler.core.review.verdicts import Bound, Review, Verdict

__all__ = [
    "Bound",
    "Doubt",
    "Effect",
    "Fact",
    "Failing",
    "Good",
    "Judged",
    "Known",
    "Refused",
    "Review",
    "Row",
    "Side",
    "Verdict",
    "Version",
    "make",
    "wanted",
]

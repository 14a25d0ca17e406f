"""The desk of explanations, made when it is first asked: its methods take a while to import."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.explaining.asking import Subject
    from runtime.explaining.derivation import Origin
    from runtime.explaining.desk import Desk, Explained
    from runtime.explaining.question import Wish
    from runtime.inference.scheduler import Scheduler


class Later:
    """One for a process. Made and used on the event loop; `asked` as for `Lane`."""

    def __init__(self, asked: Callable[[], int]) -> None:
        self._asked = asked
        self._desk: Desk | None = None

    async def explained(
        self, scheduler: "Scheduler", wish: "Wish", subject: "Subject", origin: "Origin | None"
    ) -> "Explained":
        """See `Desk.explained`."""
        if self._desk is None:
            from runtime.explaining.desk import Desk  # noqa: PLC0415  see above

            self._desk = Desk(self._asked)
        return await self._desk.explained(scheduler, wish, subject, origin)

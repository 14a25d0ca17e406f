"""What a webhook sends, by the way it goes: a POST to its receiver, or a mail by our server."""

from email.message import EmailMessage
from typing import TypeAlias

from registry.core.attempts import Outcome
from registry.settings import Sending
from registry.usecases.mailing import Mailer
from registry.usecases.posting import Message, Poster

Item: TypeAlias = Message | EmailMessage


class Sender:
    """Both ways, with the settings' patience."""

    def __init__(self, sending: Sending) -> None:
        self._poster = Poster(sending.seconds, sending.hosts)
        self._mailer = Mailer(sending.mail, sending.seconds)

    def send(self, item: Item) -> Outcome:
        """Never raises for what the network or the receiver does."""
        match item:
            case Message():
                return self._poster.post(item)
            case EmailMessage():
                return self._mailer.send(item)

    def abort(self) -> None:
        """End what is under way; nothing can be sent afterwards."""
        self._poster.abort()
        self._mailer.abort()

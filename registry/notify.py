"""Tells systemd, or whoever started this program, that it is ready, and that it is stopping.

One datagram to the socket that the environment names, see sd_notify(3). Where nobody asked,
nothing happens; and one who asked and does not listen keeps nobody from serving.
"""

import contextlib
import os
import socket

_ASKED = "NOTIFY_SOCKET"


def ready() -> None:
    """It answers from now on."""
    _tell("READY=1")


def stopping() -> None:
    """It was told to stop, and does."""
    _tell("STOPPING=1")


def _tell(state: str) -> None:
    address = os.environ.get(_ASKED, "")
    if address.startswith(("/", "@")):
        # An @ stands for the zero byte that the names of abstract sockets begin with.
        name = "\0" + address[1:] if address.startswith("@") else address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.setblocking(False)
            with contextlib.suppress(OSError):
                told.sendto(state.encode(), name)

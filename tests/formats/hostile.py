"""A job for the sandbox: what a parser under an attacker's control would do is in the request."""

import contextlib
import io
import json
import os
import resource
import signal
import socket
import sys
import time

WORLD = {
    "json": json, "os": os, "resource": resource, "signal": signal, "socket": socket,
    "sys": sys, "time": time,
}  # fmt: skip


def answer(request: bytes, files: range, walls: list[str]) -> bytes:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(request, {**WORLD, "files": files, "walls": walls})  # noqa: S102
    return said.getvalue().encode()

"""A model's own process: loads one version, says what it offers, answers until it is left alone.

    python -m runtime.backends.in_child FD FORMAT FOLDER THREADS WEIGHTS MEMORY

FD is a socket: on it goes one frame with the calls, then each descriptor that comes is one more
connection to answer on. When the socket ends, so does the process.
"""

import sys
from pathlib import Path

from runtime.backends import shut_in

if __name__ == "__main__":
    descriptor, form, folder, threads, weights, memory = sys.argv[1:]
    shut_in.before_loading(Path(folder), int(memory))
    # After the walls, for they start threads.
    from runtime.backends import answering
    from runtime.backends.protocol import Settings

    told = Settings(threads=int(threads) or None, weights=weights, memory_bytes=int(memory))
    answering.answer(int(descriptor), form, Path(folder), told)

"""`python -m runtime --config FILE`: read the file, serve, and end with a meaningful exit code."""

import argparse
import gc
import os
import sys
from pathlib import Path

from registry.errors import PlimsollError


def main() -> int:
    """Exit code 0 after a signal, 1 or that of the error otherwise."""
    parser = argparse.ArgumentParser(prog="python -m runtime", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    path: Path = parser.parse_args().config
    # A tenth of the imports' time would go into looking for garbage, and they make none.
    gc.disable()
    from runtime import config, environment, logs  # noqa: PLC0415  see above

    logs.start()
    try:
        told = config.read(path)
        environment.take(told.environment_file)
        environment.import_numpy()
        from runtime import server  # noqa: PLC0415  libraries read their variables when loaded

        gc.freeze()  # what is there stays: no later search has to look at it again
        gc.enable()
        server.run(told, path=path)
    except PlimsollError as error:
        fix = f"\n  fix: {error.fix}" if error.fix else ""
        sys.stderr.write(f"error ({error.code}): {error.detail}{fix}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # A pull or an engine's import may still run on another thread; waiting for it would hold up
    # a process that has answered everything, and tearing it down under C++ code can crash.
    os._exit(code)

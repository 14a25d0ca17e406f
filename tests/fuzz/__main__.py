"""Let atheris look for inputs of one target that find a defect: `make fuzz` does it for each.

    python -m tests.fuzz TARGET SECONDS FOLDER
    python -m tests.fuzz

The second names the targets. What it learnt is kept in FOLDER and gone on from the next time. An
input that found a defect is written to FOLDER/TARGET-crash-…, and the process ends with an error.
"""

import logging
import resource
import sys
from pathlib import Path

import atheris

# Only what is imported in here reports which way an input takes through it.
with atheris.instrument_imports(include=["runtime", "registry.core"]):
    from tests.fuzz import rig, targets

# A parser must not take more than these for a body of at most 64 KiB.
_MEGABYTES = 1024
_LONGEST_INPUT = 65_536
_LONGEST_SECONDS = 30


def main(name: str, seconds: str, folder: str) -> None:
    """Does not return: libFuzzer ends the process."""
    target, corpus = targets.TARGETS[name], Path(folder, name)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    # A refusal is logged where it happens, and here there are thousands in a second.
    logging.disable(logging.WARNING)
    options = {
        "max_total_time": seconds,
        "rss_limit_mb": _MEGABYTES + _inherited_megabytes(),
        "max_len": _LONGEST_INPUT,
        "timeout": _LONGEST_SECONDS,
        "artifact_prefix": f"{folder}/{name}-",
        "print_final_stats": 1,
    }
    arguments = (f"-{option}={value}" for option, value in options.items())
    with rig.rig() as found:
        command = [sys.argv[0], *arguments, str(corpus)]
        atheris.Setup(command, lambda data: target.require_handled(found, data))
        atheris.Fuzz()


def _inherited_megabytes() -> int:
    """The peak that is measured begins with that of the process which started this one."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(*targets.TARGETS)
    else:
        main(*sys.argv[1:])

"""A process that publishes, lets expire, and sweeps, over and over, until it is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

from registry.core.retention import Rule
from registry.settings import Settings
from registry.trust import keys
from registry.usecases import opening, retention, sweep, transfers
from tests.registry.keeping import AT_ONCE, ROOT, publish_one, with_rules
from tests.registry.publishing import Publisher
from tests.registry.serving import ROOT as CHECKOUT
from tests.registry.serving import kill


def killed(data_dir: Path, alice: Publisher, *, after: float) -> None:
    """Run it on `data_dir`, and kill it so many seconds after it has begun."""
    key = data_dir / "alice.pem"
    if not key.exists():
        keys.write(alice.key, key)
    command = [sys.executable, "-m", "tests.registry.sweeping", str(data_dir), str(key)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        time.sleep(after)
    finally:
        kill(process)


def work(data_dir: Path, alice: Publisher) -> None:
    registry = with_rules(opening.open_registry(Settings(data_dir)), Rule("*", keep_last=2))
    publish_one(registry, alice, 1)
    print("begun", flush=True)
    number = 0
    while True:
        number += 1
        transfers.put(registry, os.urandom(64))
        publish_one(registry, alice, number % 3 + 1)
        retention.apply(registry, retention.plan(registry), ROOT)
        sweep.sweep(registry, AT_ONCE)


if __name__ == "__main__":
    work(Path(sys.argv[1]), Publisher(key=keys.load_signing_key(Path(sys.argv[2]))))

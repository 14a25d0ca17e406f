"""How requests run, from a deployment in Git to what a runtime takes of its file."""

import json

from reconciler.core import desired
from reconciler.engines import commands
from reconciler.engines.protocol import Launch
from registry.core import canonical
from registry.core.canonical import Json
from runtime import config, tuning
from runtime.tuning import Batching, Queue, Tuning
from tests.reconciler.core.wishes import deployment_file, host_file

_FORMAT = "format: onnx, "


def test_what_git_says_of_a_run_reaches_the_runtime() -> None:
    told = _told(
        "instances: 2, threads: 3, batching: {maxBatchSize: 32, delayMicroseconds: 500, "
        "preferredSizes: [8, 16], defaultPriority: 2, "
        "priorities: [{size: 100}, {size: 20, timeoutMilliseconds: 50}, {}]}, "
        "cache: {bytes: 1000}, "
    )
    queues = (Queue(100), Queue(20, 50), Queue())
    batching = Batching(32, 500, (8, 16), Queue(), queues, 2)
    assert config.pin(told, what="models[0]").tuning == Tuning(2, 3, batching, cache_bytes=1000)


def test_the_defaults_of_batching_are_the_runtimes_own() -> None:
    told = _told("batching: {maxBatchSize: 4, queue: {size: 9}}, ")
    assert config.pin(told, what="models[0]").tuning.batching == Batching(4, queue=Queue(9))


def test_what_git_does_not_say_is_not_in_the_file_which_an_older_runtime_reads_too() -> None:
    assert tuning.TUNING_FIELDS.isdisjoint(_told(""))


def _told(tuned: str) -> dict[str, Json]:
    """The entry of `models` in the file of the instance that a deployment with `tuned` gets."""
    text = deployment_file("digits", 1, ["h1"], tested=False)
    assert text.count(_FORMAT) == 1
    files = {
        "models.d/hosts/h1.yaml": host_file("h1").encode(),
        "models.d/production/digits.yaml": text.replace(_FORMAT, _FORMAT + tuned).encode(),
    }
    state = desired.load(files, commit="c")
    assert state.problems == ()
    spec = state.deployments["production/digits"].spec_on("h1", "c")
    launched = commands.launch_files(spec, Launch("http://registry:8080", "plm_secret", "{}"))
    document = json.loads(launched["runtime.json"])
    return canonical.decode_object(json.dumps(document["models"][0]).encode(), what="models[0]")

"""What is of the whole runtime, from a deployment in Git to the file that a runtime reads."""

import json
from pathlib import Path

from reconciler.core import desired
from reconciler.core.observed import InstanceSpec
from reconciler.engines import commands
from reconciler.engines.handed import Handed
from reconciler.engines.process import ProcessEngine
from reconciler.engines.protocol import Launch
from runtime import config
from runtime.config import Config
from runtime.limits import Limits
from runtime.observation import Declared, RequestLog, Traces
from tests.reconciler.core.wishes import deployment_file, host_file

_FORMAT = "format: onnx, "
ALL = (
    "kserveV1: false, grpc: true, limits: {deadlineSeconds: 5, queue: 9, pullConnections: 2}, "
    "observing: {recent: 0, sketchesPerSecond: 1, traces: {endpoint: 'http://collector:4318'}, "
    "requestLog: {file: /var/lib/plimsoll/log, rate: 0.5, maxBytes: 65536, strings: [text]}}, "
)


def test_what_git_says_of_the_runtime_is_in_its_file() -> None:
    told = _told(_spec(ALL))
    assert not told.kserve_v1
    assert told.grpc_listen == "0.0.0.0:8500"
    assert told.limits == Limits(deadline_seconds=5, queue=9, pull_connections=2)
    log = RequestLog(Path("/var/lib/plimsoll/log"), 0.5, 65536, frozenset({"text"}))
    assert told.observing == Declared(1, 0, log, Traces("http://collector:4318"))


def test_what_git_does_not_say_is_the_runtimes_own_default_and_needs_no_other_instance() -> None:
    told, plain = _told(_spec("")), _spec("")
    assert (told.kserve_v1, told.grpc_listen, told.limits) == (True, "", Limits())
    assert plain.settings == ""
    assert _spec("kserveV1: true, ").spec_hash == plain.spec_hash
    assert _spec("grpc: true, ").spec_hash != plain.spec_hash


def test_a_host_with_one_process_for_all_says_where_to_write_it(tmp_path: Path) -> None:
    engine = ProcessEngine("h1", state=tmp_path, port=1, timeout=1.0)
    said = " ".join(engine.preflight(_spec(ALL)))
    assert "runtime.grpc, runtime.kserveV1, runtime.limits, runtime.observing: " in said
    assert str(tmp_path / "runtime.json") in said
    assert "runtime." not in " ".join(engine.preflight(_spec("instances: 2, ")))


def test_what_the_host_writes_into_its_file_survives_a_start_of_the_process(tmp_path: Path) -> None:
    launch = Launch("http://registry:8080", "plm_secret", "{}")
    file = tmp_path / "runtime.json"
    file.write_text('{"models": [], "kserveV1": false, "host": "other"}')
    Handed(tmp_path, host="h1", listen="127.0.0.1:1").write(launch, is_running=False)
    told = json.loads(file.read_bytes())
    assert (told["kserveV1"], told["host"]) == (False, "h1")


def _spec(declared: str) -> InstanceSpec:
    text = deployment_file("digits", 1, ["h1"], tested=False)
    assert text.count(_FORMAT) == 1
    files = {
        "models.d/hosts/h1.yaml": host_file("h1").encode(),
        "models.d/production/digits.yaml": text.replace(_FORMAT, _FORMAT + declared).encode(),
    }
    state = desired.load(files, commit="c")
    assert state.problems == ()
    return state.deployments["production/digits"].spec_on("h1", "c")


def _told(spec: InstanceSpec) -> Config:
    launched = commands.launch_files(spec, Launch("http://registry:8080", "plm_secret", "{}"))
    document = json.loads(launched["runtime.json"])
    return config.parse(json.dumps(document).encode(), what="runtime.json")

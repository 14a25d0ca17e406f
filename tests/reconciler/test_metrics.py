"""What the reconciler shows of analyses: the last numbers, and nothing that is none."""

from prometheus_client import generate_latest

from reconciler import metrics
from reconciler.core import actions, analysis, outcomes
from reconciler.core.measurements import Found, NotEnough
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason, Why


def test_what_an_analysis_measured_last_is_shown() -> None:
    counted = metrics.Metrics()
    spec = InstanceSpec(
        "h1", "production/digits", "digits", 1, "sha256:1", "onnx", "image", 1, 1.0, "c"
    )
    run = analysis.begin([], {}, 0.0)
    action = actions.Measure((actions.Pair(spec, None),), run, (), Reason(Why.NEW_SPEC, "due"))
    for found in (
        Found(0.5, 9),
        Found(0.25, 400, {"candidate": 0.25, "stable": 0.125}),
        Found([1, 2], None, {"stable": "no number"}),
        NotEnough("quiet", 3),
    ):
        counted.action(action, outcomes.Measured((("age", found),)))
    page = generate_latest(counted.registry).decode()
    about = 'deployment="production/digits",metric="age"'
    for variant, value in (("result", 0.25), ("candidate", 0.25), ("stable", 0.125)):
        assert f'plimsoll_analysis_value{{{about},variant="{variant}"}} {value}' in page
    assert f"plimsoll_analysis_samples{{{about}}} 400.0" in page

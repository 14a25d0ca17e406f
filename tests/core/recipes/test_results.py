"""Who holds, who is on the front, who is best; and how sure a loss is."""

from xml.etree import ElementTree as ET

import pytest

from registry.core.recipes import planning, plot, report, results, shares
from registry.core.recipes.report import Run
from registry.core.recipes.results import Failure, Latency, Measured, Result
from registry.core.recipes.shares import Paired

RECIPE = """\
apiVersion: plimsoll.dev/v1
kind: OptimisationRecipe
metadata: {name: small}
spec:
  model: {path: model.onnx}
  data:
    golden: {path: golden.npz}
  steps:
    - graph: {}
"""


def measured(lost: int = 0, *, ratio: float = 1.0, size: int = 1000) -> Measured:
    samples = 1000
    paired = Paired(samples, 900, 900 - lost, lost, 0)
    return Measured(paired, 1 - lost / samples, Latency(1.0, 2.0, ratio), size, 1 << 20, 1.0)


def result(name: str, of: Measured) -> Result:
    return Result(name, f"sha256:{name}", (), of)


def run(found: list[Result], constraints: str = "") -> Run:
    recipe = planning.read("small.yaml", (RECIPE + constraints).encode())
    judged = results.judged(measured(), found, recipe.spec)
    failure = Failure("int4", "there is <no> layer")
    return Run(recipe, "digits@3", {"model": "sha256:1"}, {}, measured(), judged, (failure,))


def test_the_best_is_the_smallest_that_breaks_nothing() -> None:
    found = run(
        [result("tiny", measured(50, size=100)), result("small", measured(5, size=300)),
         result("same", measured(0, size=900))],
        "  constraints: {maxAccuracyLoss: 0.01}\n",
    )  # fmt: skip
    assert found.best is not None
    assert found.best.name == "small"
    assert "5.00 points" in found.results[0].broken[0]


def test_nothing_is_best_where_all_break_something() -> None:
    found = run([result("slow", measured(ratio=1.4))], "  constraints: {maxLatencyRatio: 1.0}\n")
    assert found.best is None
    assert "Nothing that was made holds" in report.page(found)
    assert report.document(found)["best"] is None


def test_few_samples_do_not_prove_a_small_loss() -> None:
    asked = "  constraints: {maxAccuracyLoss: 0.01, confidence: 0.95}\n"
    few = Measured(Paired(60, 54, 54, 0, 0), 1.0, Latency(1, 1, 1), 10, 1, 1.0)
    many = Measured(Paired(6000, 5400, 5400, 0, 0), 1.0, Latency(1, 1, 1), 10, 1, 1.0)
    assert run([result("few", few)], asked).best is None
    assert run([result("many", many)], asked).best is not None


def test_the_front_holds_what_nobody_beats_in_everything() -> None:
    found = run(
        [result("small", measured(9, ratio=0.8, size=200)), result("right", measured(0, size=900)),
         result("beaten", measured(10, ratio=0.9, size=300))]
    )  # fmt: skip
    assert [one.name for one in found.results if one.on_front] == ["small", "right"]


def test_a_little_less_time_is_noise_and_puts_nobody_on_the_front() -> None:
    found = run(
        [result("plain", measured(0, ratio=1.0, size=300)),
         result("lucky", measured(0, ratio=0.99, size=310))]
    )  # fmt: skip
    assert [one.name for one in found.results if one.on_front] == ["plain"]


def test_the_same_file_made_in_two_ways_is_on_the_front_once() -> None:
    same = Result("again", "sha256:one", (), measured(size=300))
    found = run([Result("one", "sha256:one", (), measured(size=300)), same])
    assert [one.name for one in found.results if one.on_front] == ["one"]


@pytest.mark.parametrize(("right", "samples"), [(0, 10), (10, 10), (37, 50), (0, 0)])
def test_wilson_stays_between_nothing_and_all_and_holds_the_share(right: int, samples: int) -> None:
    found = shares.wilson(right, samples)
    assert 0 <= found.low <= (right / samples if samples else 0.5) <= found.high <= 1


def test_wilson_is_as_published() -> None:
    """Newcombe 1998, table I, method 3: 81 of 263."""
    found = shares.wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_a_loss_of_as_many_as_are_gained_is_none_and_unsure() -> None:
    of = Paired(100, 90, 90, 8, 8)
    assert of.loss == 0
    assert shares.loss(of).low < -0.05 < 0.05 < shares.loss(of).high


def test_the_plot_is_well_formed_and_says_in_words_what_it_shows() -> None:
    found = run([result("int8 <dynamic>", measured(3, size=300)), result("b", measured(size=950))])
    drawn = ET.fromstring(plot.draw(found))  # noqa: S314  our own
    said = "".join(drawn.itertext())
    assert "int8 <dynamic>: 89.70 % right, 300 bytes, best, on the front." in said
    assert plot.draw(found) == plot.draw(found)


def test_the_page_has_a_row_for_each_and_says_what_could_not_be_made() -> None:
    page = report.page(run([result("int8", measured(3, size=300))]))
    assert "| 1. **int8** (front) | 89.70 %" in page
    assert "lost 0.30" in page
    assert "Not made: int4" in page

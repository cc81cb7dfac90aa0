"""docs/findings.md says what committed results say, by rules that are tested on made-up ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from experiments.analysis.findings.claims import CLAIMS, STUDIES
from experiments.analysis.findings.measure import (
    Claim,
    Claimed,
    Comparison,
    Correlation,
    Measured,
    Outcome,
    Results,
    Side,
    curvature,
    normal_mean,
    outcomes,
    spearman,
    verdict,
)
from experiments.analysis.findings.page import main, origin, page
from experiments.analysis.findings.page import section as section_of
from experiments.analysis.findings.quantities import (
    DEAD,
    DIED,
    GRADIENT,
    LOST,
    OFF_CENTRE,
    SPEED,
    STEPS_BACK,
    TEST_LOSS,
    Quantity,
)
from experiments.common.files import write_json
from experiments.training.metrics import METRICS, write_metrics

ROOT = Path(__file__).parent.parent.parent
LOWER, NOISE = Claimed(high=1.0), Claimed(noise=True)


def make_run(
    folder: Path,
    act: str,
    seed: int,
    test: float,
    val: float | None = None,
    lr: float = 0.1,
    status: str = "finished",
    curve: Sequence[float] = (1.0,),
    layers: str = "",
) -> None:
    """A run that was never made, in the folder of the study s."""
    directory = folder / "s" / act / f"seed{seed}-{lr}"
    directory.mkdir(parents=True)
    done = status == "finished"
    result = {
        "act": act, "seed": seed, "status": status, "epochs": len(curve),
        "test_loss": test if done else None, "val_loss": (val or test) if done else None,
        "config": {"optimizer": {"lr": lr}},
    }  # fmt: skip
    write_json(directory / "result.json", result)
    rows = [
        dict.fromkeys(METRICS, 0.0) | {"epoch": epoch, "loss/test": loss}
        for epoch, loss in enumerate(curve, 1)
    ]
    write_metrics(directory / "metrics.csv", rows)
    if layers:
        (directory / "layers.csv").write_text(layers)


def make_runs(folder: Path, **losses: Sequence[float]) -> Results:
    for act, values in losses.items():
        for seed, loss in enumerate(values):
            make_run(folder, act, seed, loss)
    return Results(folder)


def claim(claimed: Claimed, second: str | None = "relu") -> Claim:
    other = None if second is None else Side("s", (second,))
    return Claim("", "", Comparison(TEST_LOSS, Side("s", ("gelu",)), other), claimed)


def outcome(claimed: Claimed, results: Results, second: str | None = "relu") -> Outcome:
    (found,) = outcomes([claim(claimed, second)], results)
    return found


def values(side: Side, results: Results, quantity: Quantity) -> Mapping[int, float]:
    return side.sample(results, quantity).values


def value(tmp_path: Path, quantity: Quantity) -> float:
    """Of the only run, of gelu."""
    return values(Side("s", ("gelu",)), Results(tmp_path), quantity)[0]


def test_page_is_that_of_the_committed_results() -> None:
    committed = (ROOT / "docs" / "findings.md").read_text()
    assert page(Results(ROOT / "docs" / "results")) == committed


def test_every_claim_is_on_the_page_with_the_commands_that_it_is_from() -> None:
    text = (ROOT / "docs" / "findings.md").read_text()
    sections = re.findall(r"^### \d+\. (.*)\n\n((?:- .*\n)+)", text, re.MULTILINE)
    assert [name for name, _ in sections] == [claim.text for claim in CLAIMS]
    commands = {study.name: study.command for study in STUDIES}
    for claim, (_, section) in zip(CLAIMS, sections, strict=True):
        for study in claim.comparison.studies:
            assert f"`{commands[study]}`" in section
        assert re.search(r"n = \d+", section)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_studies_are_those_of_their_files(study) -> None:
    content = yaml.safe_load((ROOT / "configs" / "studies" / f"{study.name}.yaml").read_text())
    assert content["baseline"] == study.baseline
    assert content["runs"] == f"runs/{study.name}"
    (made,) = re.findall(r"^STUDIES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made.split() == [each.name for each in STUDIES]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_claims_compare_what_the_studies_run(claim: Claim) -> None:
    comparison = claim.comparison
    for side in comparison.sides if isinstance(comparison, Comparison) else [comparison]:
        path = ROOT / "configs" / "studies" / f"{side.study}.yaml"
        content = yaml.safe_load(path.read_text())
        names = {name.replace("1e9", "1000000000.0") for name in content["act"]}
        assert {*side.acts} <= names | {content["baseline"]}
        if isinstance(side, Side) and side.lr is not None:
            assert side.lr in content["lr"]
    assert claim.caveat.endswith(".")


@pytest.mark.parametrize(
    ("interval", "claimed", "expected"),
    [
        ((-3, -1), (-math.inf, 0), "supported"),
        ((1, 3), (-math.inf, 0), "refuted"),
        ((-1, 1), (-math.inf, 0), "undecided"),
        ((-1, 0), (-math.inf, 0), "undecided"),
        ((0, 0), (-math.inf, 0), "undecided"),
        ((0, 0), (0, math.inf), "undecided"),
        ((1.5, 3), (2, math.inf), "undecided"),
        ((1.2, 1.5), (2, math.inf), "refuted"),
        ((-1, 1), (-2, 2), "supported"),
        ((-3, 1), (-2, 2), "undecided"),
        ((-9, 9), (-2, 2), "undecided"),
        ((-9, -3), (-2, 2), "refuted"),
        ((3, 9), (-2, 2), "refuted"),
    ],
)
def test_verdict(interval, claimed, expected: str) -> None:
    assert verdict(interval, claimed) == expected


@pytest.mark.parametrize(
    ("gelu", "expected"),
    [
        ([0.9, 1.9, 2.7, 3.9, 4.8, 5.5], "supported"),
        ([1.1, 2.1, 3.3, 4.1, 5.1, 6.5], "refuted"),
        ([0.9, 2.1, 3.0, 4.4, 4.9, 6.0], "undecided"),
        ([0.9, 1.9, 2.7, 3.9, 4.8], "no verdict: 5 seeds"),
        ([0.5], "no verdict: 1 seed"),
        ([], "not run yet"),
    ],
)
def test_comparison_is_paired(tmp_path: Path, gelu: list[float], expected: str) -> None:
    """The seeds differ by more than the activations do."""
    results = make_runs(tmp_path, relu=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], gelu=gelu)
    assert outcome(LOWER, results).verdict == expected
    if gelu:
        logarithms = [math.log(own / other) for own, other in zip(gelu, range(1, 7), strict=False)]
        measured = outcome(LOWER, results).measured
        assert measured.mean == pytest.approx(math.exp(sum(logarithms) / len(gelu)), rel=1e-12)
        assert [*measured.values.values()] == pytest.approx(logarithms, rel=1e-12)
        assert measured.singles == pytest.approx([math.exp(value) for value in logarithms])


@pytest.mark.parametrize(
    ("gelu", "expected"),
    [
        ([1.01, 2.0, 3.99, 1.0, 4.0, 2.02], "supported"),
        ([9.0, 18.0, 36.0, 9.0, 36.0, 18.1], "refuted"),
        ([99.0, 198.0, 4.0, 1.0, 4.0, 2.0], "undecided"),
    ],
)
def test_null_control_is_held_against_the_seeds(tmp_path: Path, gelu, expected: str) -> None:
    """The logarithms of the reference, to base 2, have the variance 4/5."""
    results = make_runs(tmp_path, relu=[1.0, 2.0, 4.0, 1.0, 4.0, 2.0], gelu=gelu)
    spread = 2 ** math.sqrt(4 / 5)  # log2 of them: 0, 1, 2, 0, 2, 1
    found = outcome(NOISE, results)
    assert found.region == pytest.approx((1 / spread, spread), rel=1e-12)
    assert found.verdict == expected


def test_a_side_alone(tmp_path: Path) -> None:
    results = make_runs(tmp_path, gelu=[2.0, 8.0, 4.0, 4.0, 4.0, 4.0])
    found = outcome(Claimed(1.0, 9.0), results, second=None)
    assert found.measured.mean == pytest.approx(4.0, rel=1e-12)
    assert found.verdict == "supported"
    assert found.interval is not None
    half = 2.570582 * math.log(2) * math.sqrt(2 / 5 / 6)  # Student's t of 5
    limits = [4 * math.exp(-half), 4 * math.exp(half)]
    assert found.interval == pytest.approx(limits, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "region"),
    [
        ([1.0, 2.0, 3.0, 2.5, 1.5, 2.0], (-math.inf, 3.0)),
        ([1.0, 2.0, 3.0, 2.5, 1.5, 2.0], (1.0, 3.5)),
        ([1.0, 2.0, 3.0, 2.5, 1.5, 2.0], (-5.0, 1.0)),
        ([1.0, 2.0, 3.0, 2.5, 1.5, 2.0], (2.9, 5.0)),
    ],
)
def test_the_p_value_is_the_level_from_which_the_interval_decides(values, region) -> None:
    found = Outcome(claim(LOWER), Measured(dict(enumerate(values))), region)
    for factor, decided in ((1.001, True), (0.999, False)):
        interval = found.measured.interval(factor * found.p)
        assert (verdict(interval, region) != "undecided") == decided


def test_the_correction_is_for_all_claims_that_can_be_decided(tmp_path: Path) -> None:
    """Logarithms of 1 ± 0.2, mean and error: p is 0.0041, of 5 degrees of freedom."""
    shift = 0.2 * math.sqrt(6 * 5 / 6)
    losses = [math.exp(-1 - shift * sign) for sign in (1, -1) * 3]
    results = make_runs(
        tmp_path, relu=[1.0] * 6, gelu=losses, silu=[1.1, 0.9] * 3, mish=[0.5] * 5
    )  # fmt: skip

    def other(act: str) -> Claim:
        return Claim("", "", Comparison(TEST_LOSS, Side("s", (act,)), Side("s", ("relu",))), LOWER)

    for others, word in ((0, "supported"), (11, "supported"), (12, "undecided")):
        claims = [claim(LOWER), *[other("silu")] * others, *[other("mish")] * 9]
        found = outcomes(claims, results)
        assert found[0].p == pytest.approx(0.0041047, rel=1e-4)
        assert found[0].verdict == word
        assert found[0].measured.level == pytest.approx(0.05 / (others + 1))
        assert found[-1].verdict == "no verdict: 5 seeds"


@pytest.mark.parametrize(("first", "second", "p"), [(6, 0, 2 / 64), (8, 1, 20 / 512), (3, 3, 1)])
def test_divergence_is_judged_by_mcnemars_test(first: int, second: int, p: float) -> None:
    """By the seeds at which one side alone diverged: a t-test of 6 of 6 would be certain."""
    values = [100.0] * first + [-100.0] * second + [0.0] * 2
    measured = Measured(dict(enumerate(values)), counted=True)
    assert measured.p() == pytest.approx(p, rel=1e-9)
    low, high = measured.interval(0.05)
    assert -100 <= low <= measured.mean <= high <= 100
    if p < 1:
        assert measured.interval(1.001 * p)[0] > 0 > measured.interval(0.999 * p)[0]


def test_divergence_that_never_differs_says_nothing() -> None:
    measured = Measured(dict.fromkeys(range(6), 0.0), counted=True)
    assert (measured.p(), measured.interval(0.05)) == (1.0, (-100.0, 100.0))


def test_nothing_is_chosen_on_the_test_images(tmp_path: Path) -> None:
    make_run(tmp_path, "relu", 0, test=1.0, val=9.0, lr=0.1)
    make_run(tmp_path, "relu", 0, test=5.0, val=2.0, lr=0.2)
    make_run(tmp_path, "gelu", 0, test=4.0, val=3.0, lr=0.1)
    results = Results(tmp_path)
    for choose, expected in {"best": 5.0, "worst": 4.0, "mean": math.sqrt(20.0)}.items():
        side = Side("s", ("relu", "gelu", "absent"), choose)
        assert math.exp(values(side, results, TEST_LOSS)[0]) == pytest.approx(expected, rel=1e-12)
    assert values(Side("s", ("relu",), lr=0.1), results, TEST_LOSS) == {0: 0.0}


def test_the_best_of_several_is_judged_at_seeds_that_did_not_choose_it(tmp_path: Path) -> None:
    """The first three seeds choose tanh, and all of them would choose gelu."""
    relu = [1.0] * 9
    results = make_runs(tmp_path, relu=relu, tanh=[0.5] * 3 + [2.0, 3.0] * 3, gelu=[0.7] * 9)
    best = Comparison(TEST_LOSS, Side("s", ("tanh", "gelu")), Side("s", ("relu",)))
    (found,) = outcomes([Claim("", "", best, LOWER)], results)
    assert found.measured.singles == pytest.approx([2.0, 3.0] * 3)
    assert found.verdict == "refuted"
    results = make_runs(tmp_path / "few", relu=[1.0] * 8, tanh=[0.6] * 8, gelu=[0.7] * 8)
    (found,) = outcomes([Claim("", "", best, LOWER)], results)
    assert found.measured.singles == pytest.approx([0.6] * 8)
    assert found.verdict == "no verdict: chosen at the same seeds"


def test_runs_that_diverged_are_counted_and_have_no_loss(tmp_path: Path) -> None:
    """One that failed, on a full disk perhaps, did not diverge; nor has it a curve to compare."""
    make_run(tmp_path, "gelu", 0, test=1.0)
    make_run(tmp_path, "gelu", 1, test=1.0, status="diverged", curve=[9.0])
    make_run(tmp_path, "gelu", 2, test=1.0, status="failed", curve=[])
    results = Results(tmp_path)
    side = Side("s", ("gelu",))
    assert values(side, results, LOST) == {0: 0.0, 1: 100.0}
    for quantity in (TEST_LOSS, SPEED, STEPS_BACK):
        assert values(side, results, quantity) == {0: 0.0}


def test_what_is_left_out_is_said_and_both_means_are_of_the_seeds_that_count(
    tmp_path: Path,
) -> None:
    """With all seeds of relu its geometric mean would be 2, not 1."""
    make_runs(tmp_path, relu=[1.0, 4.0])
    make_run(tmp_path, "relu", 0, test=9.0, lr=0.3)
    make_run(tmp_path, "gelu", 0, test=3.0)
    make_run(tmp_path, "gelu", 1, test=3.0, status="diverged")
    results = Results(tmp_path)
    lines = section_of(1, outcome(LOWER, results), results).splitlines()
    figure = "- figure: × 3.000, n = 1; geometric means 3.00000 and 1.00000"
    assert [*lines[lines.index(figure) :]][:2] == [
        figure,
        "- left out: 1 of 2 runs of `gelu` diverged",
    ]
    assert (
        "- experiment: test loss: of `gelu`; as a ratio to that of `relu` at its best learning "
        "rate on the validation images, 0.1" in lines
    )


def test_a_section_shows_the_single_figures_or_the_interval(tmp_path: Path) -> None:
    results = make_runs(tmp_path, relu=[1.0] * 6, gelu=[0.5, 2.0] * 3, silu=[0.5, 0.25])
    lines = section_of(1, outcome(LOWER, results), results).splitlines()
    figure = "- figure: × 1.000, interval × 0.451 … × 2.219 (95 %), n = 6; geometric means"
    assert any(line.startswith(figure) for line in lines)
    assert "- verdict: **undecided**, at this size" in lines
    few = Comparison(TEST_LOSS, Side("s", ("silu",)), Side("s", ("relu",)))
    (found,) = outcomes([Claim("", "", few, LOWER)], results)
    lines = section_of(1, found, results).splitlines()
    figure = "- figure: × 0.354 (× 0.500, × 0.250), n = 2; geometric means 0.35355 and 1.00000"
    assert [figure, "- **no verdict: 2 seeds**"] == lines[-3:-1]


def test_a_run_that_failed_before_it_had_versions_has_no_origin() -> None:
    whole = {"versions": {"torch": "2.15.0"}, "device": "cpu", "threads": 1, "commit": "abc"}
    assert origin([whole, {}]) == "torch 2.15.0 on cpu, threads 1, commit abc"


def test_the_mean_of_several_is_of_seeds_that_all_of_them_have(tmp_path: Path) -> None:
    results = make_runs(tmp_path, relu=[4.0, 4.0], gelu=[1.0])
    both = values(Side("s", ("relu", "gelu"), "mean"), results, TEST_LOSS)
    assert both == {0: pytest.approx(math.log(2.0), rel=1e-12)}


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.5, "× 1.500"), (123.4, "× 123"), (0.01, "× 0.010"), (0.000496, "× 0.000496"),
     (7.46e-6, "× 7.46e−06")],
)  # fmt: skip
def test_a_small_ratio_is_written_with_three_digits(ratio: float, expected: str) -> None:
    assert TEST_LOSS.comparison(ratio) == expected


def test_quantities_of_a_curve(tmp_path: Path) -> None:
    make_run(tmp_path, "gelu", 0, test=1.0, curve=[8.0, 2.0, 6.0, 1.0, 2.0])
    assert value(tmp_path, STEPS_BACK) == pytest.approx(math.log(6 / 2) + math.log(2), rel=1e-12)
    assert math.exp(value(tmp_path, SPEED)) == pytest.approx(192 ** (1 / 5), rel=1e-12)


def test_quantities_of_layers(tmp_path: Path) -> None:
    layers = (
        "epoch,site,mean,neurons,dead,gradient_out\n"
        "0,1,0.5,4,4,0.25\n0,2,0.5,4,4,0.125\n0,3,0.5,4,4,0.5\n"
        "1,1,-0.5,4,1,9\n1,2,1.0,4,0,9\n1,3,0.0,8,1,9\n"
    )
    make_run(tmp_path, "gelu", 0, test=1.0, layers=layers)
    assert math.exp(value(tmp_path, GRADIENT)) == pytest.approx(0.5, rel=1e-12)
    assert value(tmp_path, DEAD) == pytest.approx(100 * 2 / 16, rel=1e-12)
    assert value(tmp_path, DIED) == pytest.approx(100 * (2 / 16 - 1), rel=1e-12)
    assert value(tmp_path, OFF_CENTRE) == pytest.approx(0.5, rel=1e-12)


def test_runs_without_layers_have_no_such_quantity(tmp_path: Path) -> None:
    results = make_runs(tmp_path, gelu=[1.0])
    for quantity in (GRADIENT, DEAD, DIED, OFF_CENTRE):
        assert values(Side("s", ("gelu",)), results, quantity) == {}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3], [10, 100, 1000], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 1, 2, 2], 2 / math.sqrt(5)),
    ],
)
def test_spearman(first, second, expected: float) -> None:
    assert spearman(first, second) == pytest.approx(expected, rel=1e-12)


def test_spearman_of_a_constant_is_nan() -> None:
    assert math.isnan(spearman([1, 2, 3], [0, 0, 0]))


def test_correlation_with_curvature(tmp_path: Path) -> None:
    """linear < sigmoid < relu in curvature; here the more curved the fewer steps back."""
    for seed in range(3):
        for act, rise in {"linear": 3.0, "sigmoid": 2.0, "relu": 1.0}.items():
            make_run(tmp_path, act, seed, test=1.0, curve=[1.0, rise])
    comparison = Correlation(STEPS_BACK, "s", ("linear", "sigmoid", "relu"))
    measured = comparison.measured(Results(tmp_path))
    assert [*measured.values.values()] == pytest.approx([-1.0] * 3, rel=1e-12)


def test_curvature_and_mean_of_functions() -> None:
    """E|σ''| is φ(0) for ReLU; means are those of the seldom disputed integrals."""
    assert curvature("linear") == pytest.approx(0, abs=1e-9)
    assert curvature("relu") == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-4)
    assert normal_mean("relu") == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-4)
    assert normal_mean("trelu") == pytest.approx(1 / math.sqrt(2 * math.pi) - 0.22, rel=1e-4)
    assert normal_mean("sigmoid") == pytest.approx(0.5, rel=1e-9)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").mkdir()
    output = tmp_path / "page.md"
    assert main([str(tmp_path / "results"), "-o", str(output)]) == 0
    text = output.read_text()
    assert text.count("\n- **not run yet**\n") == len(CLAIMS)
    damaged = tmp_path / "results" / "claims" / "relu" / "seed0" / "result.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    assert main([str(tmp_path / "results"), "-o", str(output)]) == 2
    assert "error: " in capsys.readouterr().err
    assert output.read_text() == text

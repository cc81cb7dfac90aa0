"""docs/findings.md says what committed results say, by rules that are tested on made-up ones."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from experiments.analysis.findings.claims import CLAIMS, STUDIES
from experiments.analysis.findings.measure import (
    Claim,
    Claimed,
    Comparison,
    Correlation,
    Results,
    Side,
    curvature,
    normal_mean,
    spearman,
    verdict,
)
from experiments.analysis.findings.page import main, page
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


def value(tmp_path: Path, quantity: Quantity) -> float:
    """Of the only run, of gelu."""
    return Side("s", ("gelu",)).values(Results(tmp_path), quantity)[0]


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
        names = {name.replace("1e9", "1000000000.0") for name in content["acts"]}
        assert {*side.acts} <= names | {content["baseline"]}
        if isinstance(side, Side) and side.lr is not None:
            assert side.lr in content["lrs"]
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
        (None, (-2, 2), "undecided"),
    ],
)
def test_verdict(interval, claimed, expected: str) -> None:
    assert verdict(interval, claimed) == expected


@pytest.mark.parametrize(
    ("gelu", "expected"),
    [
        ([0.9, 1.9, 2.7, 3.9, 4.8], "supported"),
        ([1.1, 2.1, 3.3, 4.1, 5.1], "refuted"),
        ([0.9, 2.1, 3.0, 4.4, 4.9], "undecided"),
        ([0.9, 1.9, 2.7, 3.9], "undecided"),
        ([0.5], "undecided"),
        ([], "not run yet"),
    ],
)
def test_comparison_is_paired(tmp_path: Path, gelu: list[float], expected: str) -> None:
    """The seeds differ by more than the activations do."""
    results = make_runs(tmp_path, relu=[1.0, 2.0, 3.0, 4.0, 5.0], gelu=gelu)
    assert claim(LOWER).verdict(results) == expected
    if gelu:
        logarithms = [
            math.log(own / other) for own, other in zip(gelu, [1, 2, 3, 4, 5], strict=False)
        ]
        measured = claim(LOWER).comparison.measured(results)
        assert measured.mean == pytest.approx(math.exp(sum(logarithms) / len(gelu)), rel=1e-12)
        assert [*measured.values.values()] == pytest.approx(logarithms, rel=1e-12)


@pytest.mark.parametrize(
    ("gelu", "expected"),
    [
        ([1.01, 2.0, 3.99, 1.0, 4.0, 2.02], "supported"),
        ([9.0, 18.0, 36.0, 9.0, 36.0, 18.0], "refuted"),
        ([99.0, 198.0, 4.0, 1.0, 4.0, 2.0], "undecided"),
    ],
)
def test_null_control_is_held_against_the_seeds(tmp_path: Path, gelu, expected: str) -> None:
    """The logarithms of the reference, to base 2, have the variance 4/5."""
    results = make_runs(tmp_path, relu=[1.0, 2.0, 4.0, 1.0, 4.0, 2.0], gelu=gelu)
    spread = 2 ** math.sqrt(4 / 5)  # log2 of them: 0, 1, 2, 0, 2, 1
    assert claim(NOISE).region(results) == pytest.approx((1 / spread, spread), rel=1e-12)
    assert claim(NOISE).verdict(results) == expected


def test_a_side_alone(tmp_path: Path) -> None:
    results = make_runs(tmp_path, gelu=[2.0, 8.0, 4.0, 4.0, 4.0])
    alone = claim(Claimed(1.0, 9.0), second=None)
    assert alone.comparison.measured(results).mean == pytest.approx(4.0, rel=1e-12)
    assert alone.verdict(results) == "supported"


def test_nothing_is_chosen_on_the_test_images(tmp_path: Path) -> None:
    make_run(tmp_path, "relu", 0, test=1.0, val=9.0, lr=0.1)
    make_run(tmp_path, "relu", 0, test=5.0, val=2.0, lr=0.2)
    make_run(tmp_path, "gelu", 0, test=4.0, val=3.0, lr=0.1)
    results = Results(tmp_path)
    for choose, expected in {"best": 5.0, "worst": 4.0, "mean": math.sqrt(20.0)}.items():
        side = Side("s", ("relu", "gelu", "absent"), choose)
        assert math.exp(side.values(results, TEST_LOSS)[0]) == pytest.approx(expected, rel=1e-12)
    assert Side("s", ("relu",), lr=0.1).values(results, TEST_LOSS) == {0: 0.0}


def test_runs_that_diverged_are_counted_and_have_no_loss(tmp_path: Path) -> None:
    """One that failed, on a full disk perhaps, did not diverge; nor has it a curve to compare."""
    make_run(tmp_path, "gelu", 0, test=1.0)
    make_run(tmp_path, "gelu", 1, test=1.0, status="diverged", curve=[9.0])
    make_run(tmp_path, "gelu", 2, test=1.0, status="failed", curve=[])
    results = Results(tmp_path)
    side = Side("s", ("gelu",))
    assert side.values(results, LOST) == {0: 0.0, 1: 100.0}
    for quantity in (TEST_LOSS, SPEED, STEPS_BACK):
        assert side.values(results, quantity) == {0: 0.0}


def test_what_is_left_out_is_said_and_both_means_are_of_the_seeds_that_count(
    tmp_path: Path,
) -> None:
    """With all seeds of relu its geometric mean would be 2, not 1."""
    make_runs(tmp_path, relu=[1.0, 4.0])
    make_run(tmp_path, "relu", 0, test=9.0, lr=0.3)
    make_run(tmp_path, "gelu", 0, test=3.0)
    make_run(tmp_path, "gelu", 1, test=3.0, status="diverged")
    lines = section_of(1, claim(LOWER), Results(tmp_path)).splitlines()
    figure = "- figure: × 3.000, 95 % interval –, n = 1; geometric means 3.00000 and 1.00000"
    assert [*lines[lines.index(figure) :]][:2] == [
        figure,
        "- left out: 1 of 2 runs of `gelu` diverged",
    ]
    assert (
        "- experiment: test loss: of `gelu`; as a ratio to that of `relu` at its best learning "
        "rate on the validation images, 0.1" in lines
    )


def test_the_mean_of_several_is_of_seeds_that_all_of_them_have(tmp_path: Path) -> None:
    results = make_runs(tmp_path, relu=[4.0, 4.0], gelu=[1.0])
    both = Side("s", ("relu", "gelu"), "mean").values(results, TEST_LOSS)
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
        assert Side("s", ("gelu",)).values(results, quantity) == {}


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
    assert text.count("**not run yet**") == len(CLAIMS)
    damaged = tmp_path / "results" / "claims" / "relu" / "seed0" / "result.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    assert main([str(tmp_path / "results"), "-o", str(output)]) == 2
    assert "error: " in capsys.readouterr().err
    assert output.read_text() == text

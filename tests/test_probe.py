"""The probe sees what the pairs see and report, adds it up exactly, and leaves no trace."""

from __future__ import annotations

import copy
import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import surrogate
from surrogate import Probe, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.training.probe import peak
from surrogate.training.recording import EDGES, QUANTITIES, Distribution, Recording, SiteRecord


def network(*pairs: str | SurrogateActivation) -> nn.Sequential:
    """Linear layers with a pair behind each, at the sites 1, 3, …; in float64."""
    torch.manual_seed(1)
    layers: list[nn.Module] = []
    for pair in pairs:
        activation = surrogate.get(pair) if isinstance(pair, str) else pair
        layers += [nn.Linear(5, 5), activation]
    return nn.Sequential(*layers, nn.Linear(5, 1)).double()


def images(count: int = 6) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(2)).double()


def sampled(net: nn.Module, x: Tensor, **options: int) -> dict[str, SiteRecord]:
    with Probe(net, **options) as probe, probe.step():
        net(x).square().mean().backward()
    return probe.end_epoch()


def assert_same(one: Distribution, other: Distribution) -> None:
    assert one.counts.tolist() == other.counts.tolist()
    for name in ("nan", "infinite", "zero", "near_zero", "total", "squares", "low", "high"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12), name


# Distributions.


@pytest.mark.parametrize("kind", EDGES)
def test_counts_are_those_of_numpy(kind: str):
    edges = EDGES[kind]
    generator = np.random.default_rng(0)
    wide = 10 ** generator.uniform(-40, 8, 5000) * generator.choice([-1, 1], 5000)
    values = np.concatenate([generator.standard_cauchy(5000), wide, -edges, edges])
    found = Distribution.of(values, kind)
    inside = np.histogram(values, edges)[0]
    inside[-1] -= (values == edges[-1]).sum()  # numpy's last bin has its upper edge, too
    assert found.counts[1:-1].tolist() == inside.tolist()
    assert found.counts[0] == (values < edges[0]).sum() > 0
    assert found.counts[-1] == (values >= edges[-1]).sum() > 0
    assert found.seen == found.finite == len(values)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.std == pytest.approx(values.std(), rel=1e-12)
    assert (found.low, found.high) == (values.min(), values.max())


@pytest.mark.parametrize("kind", EDGES)
def test_edges_rise_and_zero_is_inside_a_bin_of_its_own(kind: str):
    edges = EDGES[kind]
    assert (np.diff(edges) > 0).all()
    assert (edges == -edges[::-1]).all()
    assert edges[len(edges) // 2 - 1] < 0 < edges[len(edges) // 2]


def test_no_value_falls_off():
    values = [math.nan, math.inf, -math.inf, 0.0, -0.0, 0.05, -0.05, 0.06, 1e300, -1e300, 5e-324]
    for kind in EDGES:
        found = Distribution.of(values, kind)
        assert (found.nan, found.infinite, found.zero, found.near_zero) == (1, 2, 2, 5)
        assert found.finite + 3 == found.seen == len(values)
        assert (found.counts[0], found.counts[-1]) == (1, 1)
        assert found.share("near_zero") == 5 / 11


def test_a_sum_is_that_of_all_values():
    values = np.random.default_rng(0).normal(size=1000)
    values[::100] = math.nan
    parts = [Distribution.of(part) for part in np.split(values, [1, 400, 400])]
    assert_same(sum(parts[1:], parts[0]), Distribution.of(values))
    with pytest.raises(ValueError, match="between different edges"):
        _ = parts[0] + Distribution.of(values, "gradient")


def test_quantiles_and_density():
    values = np.random.default_rng(0).normal(size=100_000)
    found = Distribution.of(values)
    q = [0.0, 0.25, 0.5, 0.9, 1.0]
    assert found.quantiles(q) == pytest.approx(np.quantile(values, q), abs=0.01)
    assert found.quantile(0.5) == pytest.approx(np.quantile(values, 0.5), abs=0.01)
    assert found.density() @ np.diff(found.edges) == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"q must be numbers from 0 to 1, got \[1\.5\]"):
        found.quantile(1.5)


def test_nothing_has_no_mean():
    nothing = Distribution.of([])
    for value in (nothing.mean, nothing.std, nothing.quantile(0.5), nothing.share("zero")):
        assert math.isnan(value)
    assert math.isnan(SiteRecord("").dead_share)
    assert math.isnan(SiteRecord("").saturated_share)


# What is recorded.


@pytest.mark.parametrize(
    "name", ["gelu", "cantor2", "staircase_blurred", "relu_directional", "sigmoid", "sign_ste"]
)
def test_all_that_a_site_sees_is_recorded(name: str):
    """Against the network taken apart, whose gradients are asked for one by one."""
    net, x = network(name, name), images()
    records = sampled(net, x)
    inputs, outputs = {}, {}
    for number, layer in enumerate(net):
        if isinstance(layer, SurrogateActivation):
            inputs[number] = x
            x = outputs[number] = layer(x)
        else:
            x = layer(x)
    loss = x.square().mean()
    for number, seen in inputs.items():
        out, into = torch.autograd.grad(loss, [outputs[number], seen], retain_graph=True)
        expected = {"input": seen, "output": outputs[number], "gradient_out": out,
                    "gradient_in": into, "derivative": (into / out)[out != 0]}  # fmt: skip
        found = records[str(number)].distributions
        assert list(found) == list(QUANTITIES)
        for quantity, values in expected.items():
            given = values.detach().numpy()
            assert_same(found[quantity], Distribution.of(given, QUANTITIES[quantity]))


def test_a_lie_is_seen_as_it_is_told():
    """Not the derivative of the function, and not what the pair says that it reports."""
    lie = SurrogateActivation(f.Sigmoid(), lambda x: torch.where(x > 0, 3.0, -0.25).to(x))
    net = network(lie)
    record = sampled(net, images())["1"]
    derivative = record.distributions["derivative"]
    assert (derivative.low, derivative.high) == (-0.25, pytest.approx(3.0, rel=1e-15))
    positive = (net[0](images()) > 0).sum()
    assert derivative.counts[derivative.edges.searchsorted(3.0, "right")] == positive > 0

    class Liar(SurrogateActivation):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 7 * (x - x.detach())

    liar = sampled(network(Liar(f.Sign(), d.Constant(1))), images())["1"]
    assert liar.distributions["derivative"].low == pytest.approx(8)


def test_where_no_gradient_comes_nothing_is_reported():
    found = sampled(network("cantor", "cantor"), images())
    assert found["3"].distributions["derivative"].zero == 30
    assert (found["3"].measured, found["3"].saturated_share) == (30, 1.0)
    assert found["1"].distributions["gradient_out"].zero == 30
    assert found["1"].distributions["derivative"].seen == found["1"].measured == 0
    net = network("relu")
    with Probe(net) as probe, probe.step(), torch.no_grad():
        net(images())
    record = probe.end_epoch()["1"]
    assert record.distributions["input"].seen == 30
    assert record.distributions["gradient_out"].seen == 0


def test_values_that_are_not_finite_are_counted():
    x = images()
    x[0], x[1] = math.nan, math.inf
    net = network("relu")
    record = sampled(net, x)["1"]
    before = net[0](x)
    assert record.distributions["input"].nan == before.isnan().sum() > 0
    assert record.distributions["input"].infinite == before.isinf().sum()
    assert record.distributions["output"].seen == record.distributions["input"].seen == 30
    upstream = record.distributions["gradient_out"]
    assert upstream.nan + upstream.infinite == 10  # of these two images
    assert record.measured == 20 - upstream.zero


def test_dead_units_are_those_that_never_vary():
    net = network("relu")
    with torch.no_grad():
        net[0].bias[[0, 3]] = -100.0  # type: ignore[index]
    record = sampled(net, images())["1"]
    assert (record.units, record.dead, record.dead_share) == (5, 2, 0.4)
    conv = nn.Sequential(nn.Conv2d(1, 3, 2), surrogate.get("relu"))
    with torch.no_grad():
        conv[0].bias[1] = -100.0  # type: ignore[index]
    record = sampled(conv, torch.randn(2, 1, 4, 4))["1"]
    assert (record.units, record.dead) == (3, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigmoid", 0.25),
        ("relu", 1.0),
        ("linear", 1.0),
        ("cantor", 0.0),
        ("relu_directional", 1.0),
        ("Identity() / -3 * Constant(1)", 3.0),
    ],
)
def test_saturation_is_measured_against_the_largest_slope_of_the_pair(name: str, expected: float):
    pair = surrogate.get(name).double()
    x = images() * 20
    assert peak(pair, x, x.shape) == pytest.approx(expected, rel=1e-12)
    net = nn.Sequential(pair)
    with Probe(net) as probe, probe.step():
        (slopes,) = torch.autograd.grad(net(x.requires_grad_()).sum(), x)
    assert probe.end_epoch()["0"].saturated == (slopes.abs() <= 0.05 * expected).sum()


def test_parameters_of_units_count_for_the_largest_slope():
    prelu = nn.PReLU(5).double()
    with torch.no_grad():
        prelu.weight[3] = 8.0
    net = network(SurrogateActivation(prelu, d.Exact()))
    x = net[0](images())
    record = sampled(net, images())["1"]
    assert record.measured == 30
    low = (x < 0).sum() - (x[:, 3] < 0).sum()  # these have 0.25, which is less than 0.05 · 8
    assert record.saturated == low > 0


def test_samples_are_bounded_and_of_the_whole_tensor():
    """Of two halves, ones and twos, each is found in about half of the samples."""
    x = torch.cat([torch.ones(500, 20), 2 * torch.ones(500, 20)]).requires_grad_()
    net = nn.Sequential(surrogate.get("linear"))
    record = sampled(net, x, samples=400)["0"]
    for found in record.distributions.values():
        assert found.seen == 400
    assert abs(record.distributions["input"].mean - 1.5) < 0.1
    again, other = (sampled(net, x, samples=400, seed=seed)["0"] for seed in (0, 1))
    assert_same(again.distributions["input"], record.distributions["input"])
    assert other.distributions["input"].mean != record.distributions["input"].mean


def test_only_every_so_many_steps_is_sampled():
    net = network("relu")
    with Probe(net, every=3) as probe:
        for _epoch in (1, 2):
            hooked = []
            for _ in range(5):
                with probe.step():
                    hooked.append(bool(net[1]._forward_hooks))
                    net(images()).sum().backward()
                assert not net[1]._forward_hooks
                assert not net[1]._forward_pre_hooks
            assert hooked == [True, False, False, True, False]
            assert probe.end_epoch()["1"].steps == 2
        assert probe.recording.epochs == [1, 2]


def test_only_the_gradient_by_way_of_the_site_counts():
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = surrogate.get("sign_ste")

        def forward(self, x: Tensor) -> Tensor:
            return 5 * x + self.act(x) + self.act(x=2 * x)

    x = images().requires_grad_()
    record = sampled(Residual(), x)["act"]
    assert record.distributions["input"].seen == 60
    assert record.steps == 1
    assert record.units == 10
    slopes = record.distributions["derivative"]
    assert slopes.zero + slopes.counts[slopes.edges.searchsorted(1.0, "right")] == slopes.seen == 60


@pytest.mark.parametrize("reentrant", [True, False])
def test_what_checkpointing_runs_again_counts_once(reentrant: bool):
    class Checkpointed(nn.Sequential):
        def forward(self, input: Tensor) -> Tensor:
            return checkpoint(super().forward, input, use_reentrant=reentrant)  # type: ignore

    net, x = network("gelu"), images().requires_grad_()
    plain = sampled(net, x)["1"]
    record = sampled(Checkpointed(*net), x)["1"]
    for name, expected in plain.distributions.items():
        assert_same(record.distributions[name], expected)
    assert (record.steps, record.units, record.dead) == (plain.steps, plain.units, plain.dead)


# Training does not notice.


def train(net: nn.Module, probe: Probe | None, steps: int = 5) -> list[Tensor]:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for number in range(steps):
        if probe is not None:
            probe.start()
        optimizer.zero_grad()
        net(images() + number).square().mean().backward()
        if probe is not None:
            probe.stop()
        optimizer.step()
    return [torch.rand(1), *(each.detach().clone() for each in net.parameters())]


@pytest.mark.parametrize("names", [("rrelu", "relu_noisy"), ("cantor2", "relu_directional")])
def test_the_bits_are_the_same_with_and_without(names: tuple[str, ...]):
    net = network(*names)
    twin = copy.deepcopy(net)
    with Probe(net, every=2, samples=3) as probe:
        found = train(net, probe)
    assert all(map(torch.equal, found, train(twin, None)))
    assert probe.end_epoch()["1"].steps == 3


def test_hooks_go_away_whatever_happens():
    net = network("relu")
    mine = net[1].register_forward_hook(lambda *_: None)
    probe = Probe(net, every=1)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), probe.step():
        net(torch.zeros(2, 7).double())
    assert list(net[1]._forward_hooks) == [mine.id]
    probe.start()
    assert len(net[1]._forward_hooks) == 2
    probe.start()
    assert len(net[1]._forward_hooks) == 2
    probe.remove()
    probe.remove()
    assert list(net[1]._forward_hooks) == [mine.id]
    assert not net[1]._forward_pre_hooks
    with probe:
        probe.start()
    assert list(net[1]._forward_hooks) == [mine.id]
    assert all(record.steps == 0 for record in probe.end_epoch().values())


@pytest.mark.parametrize("way", ["module.compile()", "torch.compile(module)", "a compiled step"])
def test_compiled_networks_are_sampled_too(way: str):
    net = network("relu_directional", "cantor2")
    expected = sampled(copy.deepcopy(net), images())
    run: Callable[[Tensor], Tensor] = net
    if way == "module.compile()":
        net.compile(backend="aot_eager")
    elif way == "torch.compile(module)":
        run = torch.compile(net, backend="aot_eager")
    else:
        run = torch.compile(lambda x: net(x), backend="aot_eager")
    run(images()).sum().backward()
    with Probe(net) as probe:
        with probe.step():
            run(images()).square().mean().backward()
        assert torch._dynamo.eval_frame._stance.stance == "default"
        with torch._dynamo.config.patch(error_on_recompile=True):
            run(images()).sum().backward()  # compiled as before
        found = probe.end_epoch()
    for site, record in expected.items():
        assert found[site].steps == 1
        for name, distribution in record.distributions.items():
            assert_same(found[site].distributions[name], distribution)


def test_transforms_are_left_alone():
    net = network("relu")
    with Probe(net) as probe, probe.step():
        torch.func.grad(lambda x: net(x).sum())(images())
    assert probe.end_epoch()["1"].distributions["input"].seen == 0


def test_empty_batches_and_single_numbers():
    pair = surrogate.get("relu")
    empty = sampled(nn.Sequential(pair), torch.zeros(0, 3, requires_grad=True))["0"]
    assert empty.distributions["input"].seen == empty.steps == 0
    record = sampled(nn.Sequential(pair), torch.tensor(2.0, requires_grad=True))["0"]
    assert record.distributions["derivative"].mean == 1.0
    assert (record.units, record.dead) == (1, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype):
    x = torch.tensor([-3.0, 0.5, 2.0], dtype=dtype, requires_grad=True)
    record = sampled(nn.Sequential(surrogate.get("relu")), x)["0"]
    assert record.distributions["derivative"].counts.sum() == record.measured == 2
    assert record.distributions["input"].total == -0.5


# What is kept.


@pytest.fixture(scope="module")
def probe() -> Probe:
    """Of two sites over two epochs."""
    net = network("relu", "cantor2")
    with Probe(net, every=2) as probe:
        for _ in range(2):
            train(net, probe, 3)
            probe.end_epoch()
    return probe


def assert_equal(one: Recording, other: Recording) -> None:
    first, second = one.to_arrays(), other.to_arrays()
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype
        assert np.array_equal(first[name], second[name]), name


def test_a_file_is_read_back(probe: Probe, tmp_path: Path):
    path = tmp_path / "probe.npz"
    probe.recording.save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert_equal(Recording.load(path), probe.recording)
    with np.load(path, allow_pickle=False) as file:
        assert not any(file[name].dtype.hasobject for name in file.files)
    Recording.load(path).save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_the_state_goes_through_a_checkpoint(probe: Probe, tmp_path: Path):
    torch.save(probe.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    net = network("relu", "cantor2")
    other = Probe(net)
    other.load_state_dict(state)
    assert_equal(other.recording, probe.recording)
    assert other.epoch == 3
    with pytest.raises(ValueError, match=r"state must be of the sites \['1'\], got \['1', '3'\]"):
        Probe(network("relu")).load_state_dict(state)
    empty = Probe(net)
    empty.load_state_dict(Probe(net).state_dict())
    assert empty.recording.epochs == []


def test_sites_and_epochs_add_up(probe: Probe):
    recording = probe.recording
    parts = [
        recording.record(site, epoch).distributions["output"]
        for epoch in (1, 2)
        for site in ("1", "3")
    ]
    assert_same(recording.distribution("output"), sum(parts[1:], parts[0]))
    assert_same(recording.distribution("output", ["3"], [2]), parts[3])
    assert recording.record("3", 1).pair == "Cantor() / Constant()"
    assert repr(recording) == "Recording of 2 sites over 2 epochs"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inptu",), "no quantity 'inptu', there are input, output"),
        (("input", ["33"]), "no site '33'; did you mean '3'?"),
        (("input", None, [7]), r"no epoch 7, there are \[1, 2\]"),
    ],
)
def test_what_was_not_recorded(probe: Probe, arguments: tuple, message: str):
    with pytest.raises(KeyError, match=message.replace("?", r"\?")):
        probe.recording.distribution(*arguments)


@pytest.mark.parametrize("content", [b"", b"PK", b"{}", None, "other", "damaged"])
def test_files_that_are_no_recordings(probe: Probe, tmp_path: Path, content: bytes | str | None):
    path = tmp_path / "probe.npz"
    if content == "other":
        np.savez(path, x=np.zeros(3))
    elif content == "damaged":
        arrays = probe.recording.to_arrays()
        del arrays["input.counts"]
        np.savez(path, allow_pickle=False, **arrays)
    elif content is None:
        np.savez(path, allow_pickle=True, format=np.array([object()]))
    else:
        path.write_bytes(content)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"probe\.npz is not a probe's recording"):
        Recording.load(path)
    with pytest.raises(FileNotFoundError):
        Recording.load(tmp_path / "absent.npz")


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The first bytes of an array in a file."""
    file = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("epochs", header("<i8", (2**18,)) + bytes(2**21), "more than 1048576"),
        ("other", bytes(2**21), "more than 1048576"),
        ("epochs", header("<i8", (10**15,)), "Unable to allocate"),
        ("epochs", header("<i8", ()) + bytes(8), "epochs is of int64"),
        ("epochs", header("<f8", (2,)) + bytes(16), "epochs is of float64"),
        ("sites", header("<U0", (10**12,)), "sites is of <U0"),
        ("sites", b"no array", ""),
    ],
)
def test_files_of_strangers_are_read_within_bounds(
    probe: Probe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    problem: str,
):
    monkeypatch.setattr("surrogate.training.recording._LARGEST", 2**20)
    path = tmp_path / "probe.npz"
    probe.recording.save(path)
    with ZipFile(path) as file:
        parts = {part: file.read(part) for part in file.namelist()} | {f"{name}.npy": content}
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for part, packed in parts.items():
            file.writestr(part, packed)
    with pytest.raises(ValueError, match=rf"probe\.npz is not a probe's recording: .*{problem}"):
        Recording.load(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "probe.npz")
    with pytest.raises(ValueError, match="it is not an ordinary file"):
        Recording.load(tmp_path / "probe.npz")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "Probe: every must be an integer at least 1, got 0"),
        ({"every": 1.5}, TypeError, "Probe: every must be an integer at least 1, got 1.5"),
        ({"samples": 0}, ValueError, "Probe: samples must be an integer at least 1, got 0"),
        ({"seed": -1}, ValueError, "Probe: seed must be an integer at least 0, got -1"),
    ],
)
def test_bad_numbers(options: dict, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        Probe(network("relu"), **options)


def test_models_that_cannot_be_probed():
    with pytest.raises(ValueError, match="model must have a SurrogateActivation in it, got Linear"):
        Probe(nn.Linear(1, 1))
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got 'relu'"):
        Probe("relu")  # type: ignore[arg-type]

"""Cases of files: configs, studies, results, IDX files, images and checkpoints."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import pickle
import random
import zipfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import matplotlib
import torch
import yaml
from matplotlib import pyplot

from experiments.analysis.findings.quantities import layers
from experiments.analysis.report.figures import draw, draw_study
from experiments.analysis.report.study import StudyTable, as_csv, summary
from experiments.common.errors import DataError
from experiments.runs.records import records
from experiments.runs.run import folder_name
from experiments.settings.read import read_settings
from experiments.studies.plan import plan
from experiments.tasks.data.fashion_mnist import FILES, File, parse_idx, read
from experiments.tasks.data.folders import read_image
from experiments.tasks.experiment import BUILT_IN
from tests.fuzz import mutate
from tests.fuzz.mutate import CANARY

matplotlib.use("Agg")

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
PROJECT = Path(__file__).parent.parent.parent
CONFIGS = {
    "autoencoder": sorted((PROJECT / "configs").glob("*.yaml")),
    "classifier": sorted((PROJECT / "configs" / "classifier").glob("*.yaml")),
}
STUDIES = sorted((PROJECT / "configs" / "studies").glob("*.yaml"))
RESULTS = PROJECT / "docs" / "results" / "autoencoder.jsonl"
KEYS = (
    "act", "seed", "runs", "model", "data", "optimizer", "trainer", "config", "channels", "lr",
    "max_epochs", "name", "root", "experiment", "acts", "lr", "workers", "address",
    "engine", "settings", "import", "class_path", "anneal", "compile",
)  # fmt: skip
TOKENS = (
    *mutate.PAYLOADS, *mutate.NUMBERS, *mutate.SIGNS, *mutate.PATHS, *KEYS,
    f"!!python/object/apply:os.system ['touch {CANARY}']",
    f"!!python/object/new:subprocess.Popen [['touch', '{CANARY}']]",
    "!!python/name:os.system", "!!binary aGVsbG8=", "!!set {a, b}", "!!timestamp 2020-99-99",
    "&a ", "*a", "<<: *a", "&a [*a, *a]", "? ", ": ", "- ", "\n", "\n  ", "\n    ", "|\n", ">\n",
    "[", "]", "{", "}", "[[[[[[[[[[", "{a: {a: {a: {a: {a: ", "#", "---\n", "...\n", "%YAML 9.9\n",
    "'", '"', "class_path: os.system\n", "import: evil.py\n", "model: /dev/zero\n",
)  # fmt: skip


def _yaml(source: random.Random, path: Path) -> str:
    """A config with other values, keys or text, or a bomb."""
    text = path.read_text()
    way = source.random()
    if way < 0.45:
        return mutate.text(source, text, TOKENS)
    if way < 0.97:
        changed = mutate.tree(source, yaml.safe_load(text) or {}, _setting)
        try:
            return yaml.dump(changed, Dumper=DUMPER, allow_unicode=True)
        except UnicodeEncodeError:  # of half a character, which JSON can write
            return json.dumps(changed, default=str)
    last = source.randint(5, 25)
    lines = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, last)]
    return "\n".join([text, "a0: &a0 [lol]", *lines, f"act: *a{last - 1}"])


def _setting(source: random.Random) -> Any:
    value = mutate.strange(source)
    # What YAML cannot write, and what would take this fuzzer, not the reader, its time.
    return str(value)[:20_000] if isinstance(value, int) and abs(value) > 2**70 else value


def config(source: random.Random) -> tuple[str, str]:
    experiment = source.choice(BUILT_IN)
    return experiment, _yaml(source, source.choice(CONFIGS[experiment]))


def read_config(case: tuple[str, str]) -> None:
    """The settings are read, the runs planned, and each has a folder below that of all runs."""
    experiment, text = case
    _plan(text, "--act", "relu", "--experiment", experiment)


def study_file(source: random.Random) -> str:
    return _yaml(source, source.choice(STUDIES))


def read_study(text: str) -> None:
    _plan(text)


def _plan(text: str, *words: str) -> None:
    path = Path("config.yaml")
    path.write_text(text, "utf-8", "surrogatepass")
    settings = read_settings("compare", [*words, "--config", str(path)])
    assert not Path(settings.study.runs).is_absolute()
    root = Path(settings.study.runs).resolve()
    assert root.is_relative_to(Path.cwd())
    for job in plan(settings)[:3]:
        run = job.run
        for directory in run._candidates(root):
            assert directory.resolve().parent == root / run.experiment / folder_name(run.act)
    given = {"shape": (1, 28, 28), "classes": 10}
    sizes = {name: given[name] for name in settings.experiment.of_the_data}
    with torch.device("meta"):
        settings.experiment.network({"act": "linear", **settings.groups["model"], **sizes})


@lru_cache(maxsize=1)
def _runs() -> list[tuple[Any, bytes, bytes]]:
    pyplot.close(pyplot.figure())  # which makes folders for itself
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    layer = b"epoch,site,neurons,dead,mean,gradient_out\n0,a,4,0,0.1,0.2\n1,a,4,1,0.2,0.1\n"
    tables = [
        "\n".join(",".join(map(str, row)) for row in (curve, *zip(*curve.values(), strict=True)))
        for curve in (line["curve"] for line in lines)
    ]
    return [
        (line["result"], table.encode() + b"\n", layer)
        for line, table in zip(lines, tables, strict=True)
    ]


@lru_cache(maxsize=1)
def _lines() -> list[Any]:
    found = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    layers = {"epoch": [0, 1], "site": ["a", "a"], "mean": [0.1, "nan"], "neurons": [4, 4],
              "dead": [0, 1], "gradient_out": [0.2, 0.1]}  # fmt: skip
    return [{**line, "layers": layers} for line in found]


def result(source: random.Random) -> tuple[bytes, bytes, bytes, bytes, bool]:
    found, metrics, layer = source.choice(_runs())
    way = source.random()
    if way < 0.02:
        content = source.choice((b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b'"' * 2**21))
    elif way < 0.7:
        found = mutate.tree(source, found, _named)
        text = json.dumps(found, ensure_ascii=source.random() < 0.5)
        content = text.encode("utf-8", "surrogatepass")
    else:
        content = mutate.data(source, json.dumps(found).encode())
    if source.random() < 0.4:
        row = ",".join(source.choice(mutate.NUMBERS) for _ in range(metrics.count(b",", 0, 200)))
        extra = source.choice((row.encode() + b"\n", b'"\n', b"\xff", b"1,2\n", b"=1+1,"))
        metrics = source.choice((mutate.data(source, metrics), metrics + extra))
        layer = mutate.data(source, layer)
    line = source.choice(_lines())
    if source.random() < 0.7:
        text = json.dumps(mutate.tree(source, line, _named), ensure_ascii=source.random() < 0.5)
        published = text.encode("utf-8", "surrogatepass")
    else:
        published = mutate.data(source, json.dumps(line).encode())
    return content, metrics, layer, published, source.random() < 0.01


def _named(source: random.Random) -> Any:
    if source.random() < 0.4:
        return source.choice((*mutate.MARKUP, *mutate.PAYLOADS, *mutate.PATHS))
    return mutate.strange(source)


def read_result(case: tuple[bytes, bytes, bytes, bytes, bool]) -> None:
    """Three runs, one of them valid and one published: a report of what can be read.

    There is no markup of a stranger's in it.
    """
    content, metrics, layer, published, drawn = case
    found, valid, _ = _runs()[0]
    folder = Path("runs")
    for name, files in {
        "linear": {"result.json": json.dumps(found).encode(), "metrics.csv": valid},
        "other": {"result.json": content, "metrics.csv": metrics, "layers.csv": layer},
    }.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / name / file).write_bytes(text)
    (folder / "study.jsonl").write_bytes(published)
    read, _ = records(folder)
    results = [record.result for record in read]
    summary(results, "linear")
    table = StudyTable.of(results, "linear", "test_loss")
    Path("table.md").write_text(table.markdown(), encoding="utf-8")
    Path("table.tex").write_text(table.latex(), encoding="utf-8")
    assert "<script" not in table.markdown()
    assert "\\write18" not in table.latex()
    assert "\\input" not in table.latex()
    cells = csv.reader(io.StringIO(as_csv(results, "linear", "test_loss")))
    assert not any(cell.startswith(("=", "@")) for line in cells for cell in line)
    if drawn:  # one of the two kinds of figures, as each takes a good part of the time of a case
        (draw if len(content) % 2 else draw_study)(read, Path(), "linear")
    for record in read:
        layers(record, last=True)


@lru_cache(maxsize=1)
def _idx() -> tuple[bytes, ...]:
    labels = bytes([0, 0, 8, 1, 0, 0, 39, 16]) + bytes(range(10)) * 1000
    bomb = gzip.compress(bytes(2**24))
    return gzip.compress(labels), labels, bomb * 200, gzip.compress(gzip.compress(labels))


@lru_cache(maxsize=1)
def _digest() -> str:
    return hashlib.sha256(_idx()[1]).hexdigest()


def idx(source: random.Random) -> tuple[str, bytes]:
    name = "train-images-idx3" if source.random() < 0.01 else "t10k-labels-idx1"
    packed, labels, bomb, twice = _idx()
    way = source.random()
    if way < 0.02:
        content = bomb
    elif way < 0.05:
        content = packed
    elif way < 0.5:
        content = mutate.data(source, source.choice((packed, twice)))
    else:
        content = gzip.compress(mutate.data(source, labels), compresslevel=1)
    return f"{name}-ubyte.gz", content


def read_idx(case: tuple[str, bytes]) -> None:
    name, content = case
    path = Path(name)
    path.write_bytes(content)
    if content[:2] == b"\x1f\x8b" and len(content) < 2**16:
        try:
            unpacked = gzip.decompress(content)
        except Exception:  # of the fuzzer's own, for the parser alone
            unpacked = content
        if len(unpacked) < 2**20:
            parse_unpacked(unpacked)
    with patch.dict(FILES, {"t10k-labels-idx1-ubyte": File((10_000,), _digest())}):
        read(path)


def parse_unpacked(content: bytes) -> None:
    with suppress(DataError):
        assert parse_idx(content, (10_000,)).shape == (10_000,)


@lru_cache(maxsize=1)
def _images() -> tuple[bytes, ...]:
    from PIL import Image

    image = Image.effect_noise((16, 16), 50).convert("RGB")
    found = []
    for kind in ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF", "ICO", "PDF", "EPS"):
        file = io.BytesIO()
        image.save(file, kind)
        found.append(file.getvalue())
    script = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch {CANARY}) (w) file\n"
    huge = b"P6 60000 60000 255\n" + bytes(100)
    large = bytearray(found[1])
    large[16:24] = b"\0\1\0\0\0\1\0\0"  # a PNG of 65536 × 65536 pixels
    return *found, script.encode(), huge, bytes(large)


def image(source: random.Random) -> bytes:
    content = source.choice(_images())
    return content if source.random() < 0.02 else mutate.data(source, content)


def read_picture(content: bytes) -> None:
    Path("image.jpg").write_bytes(content)
    assert read_image("image.jpg").mode == "RGB"


class _Evil:
    """What makes the canary when it is unpickled."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


@lru_cache(maxsize=1)
def _checkpoints() -> tuple[bytes, ...]:
    tensors = {"network.weight": torch.zeros(3, 4), "network.bias": torch.ones(3)}
    rows = [{"epoch": 1.0, "loss/test": 0.1, "seconds": 1.0}]
    state = {
        "state_dict": tensors,
        "callbacks": {"Curves": {"rows": rows, "images": 9}},
        "hyper_parameters": {"experiment": "autoencoder", "model": {"act": "relu"}},
        "epoch": 1,
    }
    evil = (
        _Evil(os.system, f"touch {CANARY}"),
        _Evil(eval, f"open('{CANARY}', 'w')"),
        _Evil(exec, f"open('{CANARY}', 'w')"),
        _Evil(torch.load, "checkpoint.ckpt"),
        _Evil(open, CANARY, "w"),
    )
    found = []
    for zipped in (True, False):
        for content in (state, *({**state, "epoch": each} for each in evil)):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=zipped)
            found.append(file.getvalue())
    found.append(pickle.dumps({**state, "epoch": evil[0]}))
    found.append(b"cos\nsystem\n(S'touch " + CANARY.encode() + b"'\ntR.")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(io.BytesIO(found[0])) as seed:
            for name in seed.namelist():
                archive.writestr(name, seed.read(name))
        archive.writestr("archive/data/99", bytes(2**26))
    return *found, bomb.getvalue()


def checkpoint(source: random.Random) -> bytes:
    content = source.choice(_checkpoints())
    return content if source.random() < 0.05 else mutate.data(source, content)


def read_checkpoint(content: bytes) -> None:
    Path("checkpoint.ckpt").write_bytes(content)
    torch.load("checkpoint.ckpt", map_location="cpu", weights_only=True)

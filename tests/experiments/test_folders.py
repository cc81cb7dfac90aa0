"""Images in files, in Imagenette's layout."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from experiments.common.errors import DataError
from experiments.tasks.data import Folder, Imagenette, Imagewoof
from experiments.tasks.data.folders import Files, listed, read_image
from experiments.training.callbacks import LastCheckpoint
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import Command
from tests.experiments.test_resume import do_at, interrupt

COLOURS = {"n01": (200, 30, 40), "n02": (20, 210, 50), "n03": (10, 20, 220)}
OPTIONS = ("--model.name", "xresnet18", "--model.width", "4", "--data.name", "folder")
OPTIONS += ("--data.size", "32", "--data.batch_size", "8", "--data.validation", "10")


def draw(folder: Path, images: int, seed: int) -> None:
    """Images of about a colour each, with sides that differ, one of them grey."""
    random = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(images):
            sides = random.integers(30, 60, 2)
            pixels = (random.normal(colour, 20, (*sides, 3))).clip(0, 255).astype(np.uint8)
            picture = Image.fromarray(pixels)
            picture = picture.convert("L") if name == "n01" and number == 0 else picture
            picture.save(folder / name / f"{number}.JPEG")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    draw(folder / "train", images=12, seed=0)
    draw(folder / "val", images=5, seed=1)
    return folder


def test_the_parts_are_the_files(folder: Path):
    data = Folder(str(folder), size=24, validation=10)
    assert (data.shape, data.classes) == ((3, 24, 24), 3)
    parts = [data.train, data.val, data.test]
    assert [len(part) for part in parts] == [26, 10, 15]
    files = [each for part in parts for each in part.files]
    assert sorted(Path(path) for path, _ in files) == sorted(folder.rglob("*.JPEG"))
    assert all(sorted(COLOURS)[label] == Path(path).parent.name for path, label in files)
    image, label = data.test[0]
    assert (image.shape, image.dtype, label.dtype) == ((3, 24, 24), torch.float32, torch.int64)
    assert 0 <= image.min() < image.max() <= 1
    for image, label in data.test:  # type: ignore[attr-defined]
        assert image.mean((1, 2)).argmax() == label or image.std(0).max() == 0  # grey


def test_a_limit_takes_images_of_all_classes(folder: Path):
    data = Folder(str(folder), validation=10, limit=8)
    for part in (data.train, data.test):
        assert len(part) == 8
        assert len({label for _, label in part.files}) > 1


def test_what_is_measured_is_the_scaled_images_middle(folder: Path):
    data = Folder(str(folder), size=28, validation=10)
    path, _ = data.test.files[0]
    picture = Image.open(path).convert("RGB")
    scale = 32 / min(picture.size)
    sides = round(picture.size[0] * scale), round(picture.size[1] * scale)
    pixels = np.asarray(picture.resize(sides, Image.Resampling.BILINEAR), np.float32) / 255
    top, left = (round((side - 28) / 2) for side in reversed(sides))
    middle = pixels[top : top + 28, left : left + 28].transpose(2, 0, 1)
    found = data.test[0][0].numpy()
    assert np.abs(found - middle).mean() < 0.02


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # on one core
def test_augmentation_depends_on_seed_epoch_and_image_alone(folder: Path):
    data = Folder(str(folder), size=16, validation=10, batch_size=13)

    def images(seed: int, epoch: int, workers: int = 0) -> dict[int, torch.Tensor]:
        data.workers = workers
        loader = data.train_loader(seed)
        loader.batch_sampler.sampler.set_epoch(epoch)  # type: ignore
        torch.rand(3)
        order = list(loader.batch_sampler.sampler)  # type: ignore
        batches = torch.cat([images for images, _ in loader])
        return dict(zip(order, batches, strict=True))

    expected = images(0, 1)
    for again in (images(0, 1), images(0, 1, workers=2)):
        assert all(torch.equal(again[index], expected[index]) for index in expected)
    for other in (images(0, 2), images(1, 1)):
        assert not any(torch.equal(other[index], expected[index]) for index in expected)
    plain = Folder(str(folder), size=16, validation=10, augment=False)
    first = plain.train_loader(0).dataset[4][0]
    assert torch.equal(first, plain.train[4][0])
    assert not torch.equal(first, expected[4])


def test_reading_draws_nothing_from_the_global_generator(folder: Path):
    data = Folder(str(folder), size=16, validation=10)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert len([*data.train_loader(seed=0), *data.eval_loader(data.val)]) == 2
    assert torch.equal(torch.rand(2), expected)


def metrics(runs: Path) -> list[dict[str, float]]:
    rows = read_metrics(runs / "classifier" / "relu" / "seed0" / "metrics.csv")
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def whole(
    folder: Path, classify: Command, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, float]]:
    """The metrics of a run of four epochs that nothing interrupted."""
    runs = tmp_path_factory.mktemp("whole")
    options = (*OPTIONS, "--data.root", str(folder), "--trainer.max_epochs", "4")
    assert classify("relu", runs, *options).code == 0
    return metrics(runs)


def test_an_xresnet_learns_the_colours(whole: list[dict[str, float]]):
    assert [row["epoch"] for row in whole] == [1, 2, 3, 4]
    assert whole[-1]["accuracy/train"] > 0.6
    assert whole[-1]["loss/train"] < whole[0]["loss/train"]


def test_a_run_that_was_cut_off_ends_with_the_same_bits_whatever_reads_the_images(
    folder: Path,
    classify: Command,
    tmp_path: Path,
    whole: list[dict[str, float]],
    monkeypatch: pytest.MonkeyPatch,
):
    options = (*OPTIONS, "--data.root", str(folder), "--trainer.max_epochs", "4")
    with monkeypatch.context() as patch:
        do_at(patch, interrupt, (LastCheckpoint, "on_train_epoch_end"), 3)
        assert classify("relu", tmp_path, *options).code == 130
    outcome = classify("relu", tmp_path, *options, "--data.workers", "1")
    assert outcome.code == 0
    assert "resumed after epoch 2\n" in outcome.err
    assert metrics(tmp_path) == whole


def test_another_folder_is_another_run(folder: Path, classify: Command, tmp_path: Path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    for root in (folder, copy):
        options = (*OPTIONS, "--data.root", str(root), "--trainer.max_epochs", "1")
        assert classify("relu", tmp_path, *options, "--schedule.name", "constant").code == 0
    directories = list((tmp_path / "classifier" / "relu").iterdir())
    identities = [json.loads((each / "identity.json").read_text()) for each in directories]
    assert {each["config"]["data"]["root"] for each in identities} == {str(folder), str(copy)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "val"), "val is not a folder of images"),
        (lambda folder: shutil.rmtree(folder / "val" / "n02"), "differ in their classes: n02"),
        (
            lambda folder: [path.unlink() for path in (folder / "train" / "n03").iterdir()],
            "train is not a folder of images in a folder per class: .*n03",
        ),
    ],
)
def test_a_folder_of_another_layout(folder: Path, tmp_path: Path, change, message: str):
    copy = shutil.copytree(folder, tmp_path / "copy")
    change(copy)
    with pytest.raises(DataError, match=message):
        Folder(str(copy), validation=10)


def test_what_cannot_be_held_out_or_read(folder: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"data\.validation must be below 36, .* got 36"):
        Folder(str(folder), validation=36)
    with pytest.raises(DataError, match=r"--data\.root"):
        Folder()
    with pytest.raises(DataError, match=r"data\.drop_last leaves out all 26 images"):
        Folder(str(folder), validation=10, batch_size=27, drop_last=True)
    path = tmp_path / "broken.jpeg"
    path.write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"broken\.jpeg cannot be read"):
        Files([(str(path), 0)], torch.as_tensor)[0]


@pytest.mark.parametrize("kind", [Imagenette, Imagewoof])
def test_imagenette_is_downloaded_and_then_found(
    kind: type[Imagenette], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def offline(address: str, root: str, md5: str) -> None:
        raise OSError("<urlopen error no network>")

    def online(address: str, root: str, md5: str) -> None:
        asked.append(address)
        shutil.copytree(folder, Path(root) / kind.archive)

    target = "torchvision.datasets.utils.download_and_extract_archive"
    monkeypatch.setattr(target, offline)
    with pytest.raises(DataError, match=r"cannot be downloaded: <urlopen error no network>") as e:
        kind(str(tmp_path), validation=10)
    assert "--data.root" in str(e.value)
    monkeypatch.setattr(target, online)
    for _ in range(2):
        assert len(kind(str(tmp_path), validation=10).test) == 15
    assert asked == [f"https://s3.amazonaws.com/fast-ai-imageclas/{kind.archive}.tgz"]


def test_torchvision_knows_imagenette_by_the_same_digest():
    from torchvision import datasets

    address, digest = datasets.Imagenette._ARCHIVES["160px"]
    assert (address.rpartition("/")[2], digest) == (f"{Imagenette.archive}.tgz", Imagenette.digest)


def test_files_are_found_as_torchvision_finds_them(folder: Path, tmp_path: Path):
    copy = shutil.copytree(folder / "val", tmp_path / "val")
    for name in ("n01/deeper/b.PNG", "n01/deeper/a.webp", "n01/notes.txt", "n01.jpg", "n02/.a.jpg"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).touch()
    expected = ImageFolder(str(copy))
    assert listed(copy) == (expected.samples, expected.classes)


def test_what_a_stranger_packs_is_not_waited_for(folder: Path, tmp_path: Path):
    copy = shutil.copytree(folder / "val", tmp_path / "val")
    before = listed(copy)
    for name in ("one", "other"):  # two circles have more ways through them than anyone can go
        (copy / "n01" / name).symlink_to(copy / "n01")
    assert listed(copy) == before
    os.mkfifo(copy / "n01" / "z.jpg")
    with pytest.raises(DataError, match="cannot be read: it is not an ordinary file"):
        read_image(str(copy / "n01" / "z.jpg"))


def test_classes_are_numbered_by_their_names(folder: Path):
    files, classes = listed(folder / "val")
    assert classes == sorted(COLOURS)
    assert [label for _, label in files] == [0] * 5 + [1] * 5 + [2] * 5

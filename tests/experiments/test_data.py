from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.common.errors import DataError
from experiments.tasks.data import MNIST, EpochShuffle, FashionMNIST
from experiments.tasks.data import fashion_mnist as data
from experiments.tasks.data.fashion_mnist import parse_idx
from experiments.tasks.data.images import SPLIT_SEED

LABELS = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture(scope="session")
def original() -> Path:
    """The folder of the true files."""
    return data.SYSTEM_FOLDER if data.SYSTEM_FOLDER.is_dir() else data.download()


@pytest.fixture
def folder(tmp_path: Path, original: Path) -> Path:
    """Links to the true files, with a copy of the test labels to spoil."""
    for name in data.FILES:
        (tmp_path / f"{name}.gz").symlink_to(original / f"{name}.gz")
    (tmp_path / LABELS).unlink()
    shutil.copy(original / LABELS, tmp_path / LABELS)
    return tmp_path


def raw(folder: Path, name: str, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8)[header:]


def test_the_parts_are_the_files_and_do_not_overlap(folder: Path, original: Path):
    parts = FashionMNIST(str(folder))
    assert (len(parts.train), len(parts.val), len(parts.test)) == (55_000, 5_000, 10_000)
    file = raw(original, "train-images-idx3-ubyte.gz", 16).reshape(60_000, -1)
    train, val = (part.images.reshape(len(part), -1).numpy() for part in (parts.train, parts.val))
    order = np.random.default_rng(SPLIT_SEED).permutation(60_000)
    assert np.array_equal(val, file[np.sort(order[:5_000])])
    assert np.array_equal(train, file[np.sort(order[5_000:])])
    labels = raw(original, "train-labels-idx1-ubyte.gz", 8)
    assert np.array_equal(parts.train.labels.numpy(), labels[np.sort(order[5_000:])])
    images, labels = parts.test[7]
    expected = raw(original, "t10k-images-idx3-ubyte.gz", 16)[7 * 784 : 8 * 784] / 255
    assert torch.equal(images, torch.tensor(expected, dtype=torch.float32).reshape(1, 28, 28))
    assert labels == raw(original, LABELS, 8)[7]


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def pack_something_else(path: Path) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(content))


def pack_much_more(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(10**6)))


def unpack(path: Path) -> None:
    path.write_bytes(gzip.decompress(path.read_bytes()))


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def give_a_long_name(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\x08\0\0\0\0\0\3" + b"a" * 2**20)


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (flip_a_byte, "cannot be read|is damaged"),
        (cut_short, "is cut short"),
        (pack_something_else, "is damaged: its contents do not have the right checksum"),
        (pack_much_more, "is damaged"),
        (unpack, "cannot be read: Not a gzipped file"),
        (replace_by_a_pipe, "cannot be read: it is not an ordinary file"),
        (give_a_long_name, "cannot be read: it has more than"),
        (replace_by_a_folder, "cannot be read: .*Is a directory"),
        (Path.unlink, "does not exist"),
    ],
)
def test_a_bad_file_is_named_with_what_to_do(folder: Path, spoil, problem: str):
    spoil(folder / LABELS)
    with pytest.raises(DataError, match=problem) as error:
        FashionMNIST(str(folder))
    message = str(error.value)
    assert message.startswith(str(folder / LABELS))
    assert "dataset-fashion-mnist" in message
    assert "--data.root" in message
    assert message.count("\n") == 1


def test_files_packed_in_another_way_are_as_good(folder: Path):
    path = folder / LABELS
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    assert len(FashionMNIST(str(folder)).test) == 10_000


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the system's copy, and with an empty cache."""
    monkeypatch.setattr(data, "SYSTEM_FOLDER", tmp_path / "nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data.load.cache_clear()
    return tmp_path / "cache"


def test_without_any_source_the_error_says_what_to_do(
    no_data: Path, monkeypatch: pytest.MonkeyPatch
):
    def offline(root: str, download: bool) -> None:
        raise RuntimeError("Error downloading train-images:\n<urlopen error no network>")

    monkeypatch.setattr("torchvision.datasets.FashionMNIST", offline)
    with pytest.raises(
        DataError, match="cannot be downloaded: <urlopen error no network>"
    ) as error:
        FashionMNIST()
    assert "dataset-fashion-mnist" in str(error.value)
    assert "--data.root" in str(error.value)


def test_it_is_downloaded_once_and_then_found_in_the_cache(
    no_data: Path, original: Path, monkeypatch: pytest.MonkeyPatch
):
    downloads = []

    def online(root: str, download: bool) -> None:
        downloads.append(root)
        shutil.copytree(original, Path(root) / "FashionMNIST" / "raw")

    monkeypatch.setattr("torchvision.datasets.FashionMNIST", online)
    for _ in range(2):
        data.load.cache_clear()
        assert len(FashionMNIST(limit=10).test) == 10
    assert downloads == [str(no_data / "surrogate")]


@pytest.fixture
def mnist(tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that torchvision has downloaded MNIST to: Fashion-MNIST's files, unpacked."""

    def online(root: str, download: bool) -> None:
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in data.FILES:
            (raw / name).write_bytes(gzip.decompress((original / f"{name}.gz").read_bytes()))

    with monkeypatch.context() as patch:
        patch.setattr("torchvision.datasets.MNIST", online)
        MNIST(str(tmp_path))
    return tmp_path


def test_mnist_is_downloaded_by_torchvision_and_then_found(mnist: Path):
    fashion, parts = FashionMNIST(validation=5), MNIST(str(mnist), validation=5)
    for name in ("train", "val", "test"):
        expected, found = getattr(fashion, name), getattr(parts, name)
        assert torch.equal(found.images, expected.images)
        assert torch.equal(found.labels, expected.labels)


def test_without_mnist_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def offline(root: str, download: bool) -> None:
        raise RuntimeError("Error downloading\n<urlopen error no network>")

    monkeypatch.setattr("torchvision.datasets.MNIST", offline)
    with pytest.raises(
        DataError, match=r"cannot be downloaded: <urlopen error no network>\n.*root"
    ):
        MNIST(str(tmp_path))
    (tmp_path / "MNIST" / "processed").mkdir(parents=True)
    with pytest.raises(DataError, match="processed is of an old version of torchvision: delete it"):
        MNIST(str(tmp_path))


def test_mnist_of_a_stranger_is_read_within_bounds(mnist: Path):
    path = mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    intact = path.read_bytes()
    for content, problem in (
        (intact[:-1] + b"\x0a", "t10k-labels-idx1-ubyte has the label 10"),
        (intact + b"\0", "it has more than 10008 bytes"),
        (intact[:-1], "not an IDX file"),
        (bytes([0, 0, 13, 1]) + intact[4:], "not an IDX file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"is damaged: {problem}"):
            MNIST(str(mnist))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="is damaged: it is not an ordinary file"):
        MNIST(str(mnist))


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[int]:
        shuffle = EpochShuffle(100, seed)
        shuffle.set_epoch(epoch)
        torch.rand(3)
        return list(shuffle)

    assert order(0, 0) == order(0, 0)
    orders = [order(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert all(sorted(each) == list(range(100)) for each in orders)
    assert len({tuple(each) for each in orders}) == 9


def test_loading_draws_nothing_from_the_global_generator():
    parts = FashionMNIST(limit=64, batch_size=32)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    batches = [*parts.train_loader(seed=0), *parts.eval_loader(parts.val)]
    assert torch.equal(torch.rand(2), expected)
    assert [len(images) for images, _ in batches] == [32] * 4


def test_batches_are_floats_from_0_to_1_with_their_labels():
    parts = FashionMNIST(limit=200, batch_size=64)
    batches = list(parts.train_loader(seed=4))
    assert [len(images) for images, _ in batches] == [64, 64, 64, 8]
    images, labels = (torch.cat(each) for each in zip(*batches, strict=True))
    order = list(EpochShuffle(200, 4))
    assert images.dtype == torch.float32
    assert torch.equal((images * 255).round().to(torch.uint8), parts.train.images[order])
    assert torch.equal(labels, parts.train.labels[order])
    assert images.max() == 1


def test_a_last_batch_of_one_image_is_left_out():
    parts = FashionMNIST(limit=65, batch_size=32)
    assert [len(images) for images, _ in parts.train_loader(seed=0)] == [32, 32]
    assert [len(images) for images, _ in parts.eval_loader(parts.test)] == [32, 32, 1]


@given(st.binary(max_size=40))
def test_bytes_that_are_no_idx_file_are_refused(content: bytes):
    with pytest.raises(DataError, match="not an IDX file"):
        parse_idx(content, (2, 3, 7))


def test_an_idx_file_is_read_row_by_row():
    header = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    assert parse_idx(header + bytes(range(6)), (2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    for wrong in (header + bytes(5), header + bytes(7), b"\1" + header[1:] + bytes(6)):
        with pytest.raises(DataError):
            parse_idx(wrong, (2, 3))

"""Fashion-MNIST in memory, verified byte by byte, in an order that only the seed decides.

The files are looked for in the folder that the user gives, else in the Debian package's, else
in the cache, where torchvision downloads them to. Nothing is parsed before its checksum is right.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from experiments.numbers import PositiveInt

SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")
VALIDATION_IMAGES = 5_000
SPLIT_SEED = 0  # of the held-out validation images: the same ones in every run


class File(NamedTuple):
    """What a data file must hold: the shape of its array, and the SHA-256 of it unpacked.

    The packed bytes differ between distributions (Debian compresses again), the contents do not.
    """

    shape: tuple[int, ...]
    sha256: str


FILES = {
    "train-images-idx3-ubyte": File(
        (60_000, 28, 28), "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": File(
        (60_000,), "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": File(
        (10_000, 28, 28), "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": File(
        (10_000,), "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}


class DataError(Exception):
    """The data cannot be had or is not what it should be; the message says what to do."""


class ImageSet(Dataset[tuple[Tensor, Tensor]]):
    """Images (N, 1, 28, 28) kept as bytes, and their labels; fetched a whole batch at a time."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        return self.images[indices].to(torch.float32) / 255, self.labels[indices]


class EpochShuffle(Sampler[int]):
    """A new order each epoch, a function of (seed, epoch) alone.

    Neither the activation's random draws nor where a run was resumed can change it.
    Lightning calls `set_epoch`.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        return iter(order.tolist())


class FashionMNIST:
    """Fashion-MNIST: 55,000 images to train on, 5,000 held out for validation, 10,000 to test.

    Args:
        root: folder of the four .gz files; by default the system's copy, else a download.
        batch_size: images per batch.
        limit: use the first so many images of each part (all by default).
    """

    def __init__(
        self,
        root: str | None = None,
        batch_size: PositiveInt = 128,
        limit: PositiveInt | None = None,
    ) -> None:
        arrays = load(Path(root).expanduser() if root else None)
        images, labels = arrays["train-images-idx3-ubyte"], arrays["train-labels-idx1-ubyte"]
        order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
        held_out, kept = np.sort(order[:VALIDATION_IMAGES]), np.sort(order[VALIDATION_IMAGES:])
        self.batch_size = batch_size
        self.train = image_set(images[kept[:limit]], labels[kept[:limit]])
        self.val = image_set(images[held_out[:limit]], labels[held_out[:limit]])
        self.test = image_set(
            arrays["t10k-images-idx3-ubyte"][:limit], arrays["t10k-labels-idx1-ubyte"][:limit]
        )

    def train_loader(self, seed: int) -> DataLoader[Any]:
        """Batches for training, in the order that `seed` and the epoch give."""
        # BatchNorm cannot train on a last batch of a single image.
        lone_last = len(self.train) % self.batch_size == 1
        return DataLoader(
            self.train,
            self.batch_size,
            sampler=EpochShuffle(len(self.train), seed),
            collate_fn=as_is,
            drop_last=lone_last,
            generator=torch.Generator(),  # leaves torch's global one alone
        )

    def eval_loader(self, images: ImageSet) -> DataLoader[Any]:
        """Batches of `val` or `test`, in the file's order."""
        return DataLoader(images, self.batch_size, collate_fn=as_is, generator=torch.Generator())


def image_set(images: np.ndarray, labels: np.ndarray) -> ImageSet:
    return ImageSet(torch.tensor(images).unsqueeze(1), torch.tensor(labels, dtype=torch.int64))


def as_is(batch: Any) -> Any:
    """The collate function of a set that fetches whole batches."""
    return batch


@lru_cache(maxsize=1)
def load(root: Path | None) -> dict[str, np.ndarray]:
    """The four arrays, from `root` or from where the data is found."""
    if root is not None:
        folder = root
    elif all((SYSTEM_FOLDER / f"{name}.gz").is_file() for name in FILES):
        folder = SYSTEM_FOLDER
    else:
        folder = download()
    return {name: parse_idx(read(folder / f"{name}.gz"), FILES[name].shape) for name in FILES}


def download() -> Path:
    """The folder in the user's cache, filled by torchvision if it is not yet."""
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "surrogate"
    folder = cache_folder / "FashionMNIST" / "raw"
    if not all((folder / f"{name}.gz").is_file() for name in FILES):
        from torchvision import datasets  # seconds to import, and rarely needed

        try:
            datasets.FashionMNIST(str(cache_folder), download=True)
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise DataError(
                f"Fashion-MNIST is not in {SYSTEM_FOLDER} and cannot be downloaded: {reason}\n"
                "Install the Debian package dataset-fashion-mnist, give the folder of its four "
                ".gz files with --data.root, or connect to the internet."
            ) from error
    return folder


def read(path: Path) -> bytes:
    """The unpacked contents of a data file, verified."""
    expected = FILES[path.stem]
    size = 4 + 4 * len(expected.shape) + math.prod(expected.shape)
    try:
        with gzip.open(path) as file:
            data = file.read(size + 1)  # no more, whatever the file would unpack to
    except FileNotFoundError:
        raise unusable(path, "does not exist") from None
    except EOFError:
        raise unusable(path, "is cut short") from None
    except (OSError, zlib.error) as error:
        raise unusable(path, f"cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise unusable(path, "is damaged: its contents do not have the right checksum")
    return data


def unusable(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path} {problem}.\nInstall (again) the Debian package dataset-fashion-mnist, give the "
        "folder of its four .gz files with --data.root, or delete a bad download to repeat it."
    )


def parse_idx(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The array of bytes in an IDX file: 0, 0, type 8, the rank, each size in 4 bytes, values."""
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    if not data.startswith(header) or len(data) != len(header) + math.prod(shape):
        raise DataError(f"not an IDX file of bytes of shape {shape}")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape)

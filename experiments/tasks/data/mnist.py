"""MNIST in memory, of the same files as Fashion-MNIST; torchvision downloads it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from experiments.common.errors import DataError
from experiments.common.files import FileError, read_bytes
from experiments.common.numbers import PositiveInt
from experiments.tasks.data.fashion_mnist import (
    FILES,
    VALIDATION_IMAGES,
    cache_folder,
    header_size,
    parse_idx,
)
from experiments.tasks.data.images import Images, ImageSet, image_sets


class MNIST(Images[ImageSet]):
    """MNIST: 60,000 images, some of them held out for validation, and 10,000 to test.

    Args:
        root: folder that torchvision keeps its data sets in, or downloads them to.
        batch_size: images per batch, those of all processes together.
        limit: use the first so many images of each part (all by default).
        validation: images held out to validate with.
        drop_last: leave out a last training batch that is not full.
    """

    def __init__(
        self,
        root: str | None = None,
        batch_size: PositiveInt = 128,
        limit: PositiveInt | None = None,
        validation: PositiveInt = VALIDATION_IMAGES,
        drop_last: bool = False,
    ) -> None:
        arrays = load(Path(root).expanduser() if root else cache_folder())
        train, test = (
            (arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"])
            for part in ("train", "t10k")
        )
        super().__init__(
            *image_sets(train, test, validation, limit), (1, 28, 28), 10, batch_size, drop_last
        )


def load(folder: Path) -> dict[str, np.ndarray]:
    """The four arrays, from where torchvision keeps them below the folder, or downloads them to."""
    raw = folder / "MNIST" / "raw"
    if not all((raw / name).exists() for name in FILES):
        download(folder)
    try:
        arrays = {
            name: parse_idx(read_bytes(raw / name, header_size(shape) + math.prod(shape)), shape)
            for name, (shape, _) in FILES.items()
        }
    except (OSError, FileError, DataError) as error:
        raise damaged(folder, str(error)) from error
    for name, array in arrays.items():
        if array.ndim == 1 and array.max() > 9:
            raise damaged(folder, f"{name} has the label {array.max()}")
    return arrays


def download(folder: Path) -> None:
    from torchvision import datasets  # seconds to import, and rarely needed

    old = folder / "MNIST" / "processed"
    if old.exists():  # torchvision would read what is there
        raise DataError(f"{old} is of an old version of torchvision: delete it")
    try:
        datasets.MNIST(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"MNIST is not in {folder} and cannot be downloaded: {reason(error)}\n"
            "Give the folder that torchvision keeps it in (the one above MNIST/raw) with "
            "--data.root, or connect to the internet."
        ) from error


def damaged(folder: Path, problem: str) -> DataError:
    return DataError(f"MNIST in {folder} is damaged: {problem}. Delete it to download it again.")


def reason(error: Exception) -> str:
    """The last line of what a download says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]

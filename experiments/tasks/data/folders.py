"""Images in files, sorted into a folder per class: train/<class>/… and val/<class>/…

They are read when they are needed, by torchvision. To train on, a random part of each is scaled to
a square and may be mirrored; to be measured, each is scaled and its middle is cut out.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from experiments.common.errors import DataError
from experiments.common.files import read_bytes
from experiments.common.numbers import NonNegativeInt, PositiveInt
from experiments.tasks.data.batches import EpochShuffle
from experiments.tasks.data.fashion_mnist import cache_folder
from experiments.tasks.data.images import Images, Part, held_out
from experiments.tasks.data.mnist import reason

VALIDATION_FILES = 500
SMALLEST_PART = 0.35  # of an image's area, to train on
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
LARGEST_IMAGE = 2**26  # pixels
LARGEST_FILE = 2**28  # bytes
MARGIN = 0.875  # side of the middle that is measured, of the scaled image's


class Files(Part):
    """Images in files, and their labels.

    What is random in the transform depends on the seed, the epoch and the image alone, so that
    neither the number of workers nor where a run was resumed can change it.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        transform: Callable[[Any], Tensor],
        training: Callable[[Any], Tensor] | None = None,
        shuffle: EpochShuffle | None = None,
    ) -> None:
        self.files = files
        self.transform = transform
        self.training = training
        self.shuffle = shuffle

    def in_training(self, shuffle: EpochShuffle) -> Files:
        return Files(self.files, self.training or self.transform, shuffle=shuffle)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        path, label = self.files[index]
        image = read_image(path)
        if self.shuffle is None:
            return self.transform(image), torch.tensor(label)
        numbers = [self.shuffle.seed, self.shuffle.epoch, index]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
            return self.transform(image), torch.tensor(label)


class Folder(Images[Files]):
    """Images in train/<class>/ (some held out for validation) and val/<class>/ (to test).

    Args:
        root: the folder of train/ and val/.
        size: side of the square images that the network sees, in pixels.
        augment: scale and mirror at random what is trained on.
        batch_size: images per batch, those of all processes together.
        limit: use so many images of each part (all by default).
        validation: images held out to validate with.
        drop_last: leave out a last training batch that is not full.
        workers: processes that read images, for each that trains; 0 reads them there.
    """

    incidental: ClassVar[frozenset[str]] = frozenset({"workers"})

    def __init__(
        self,
        root: str | None = None,
        size: PositiveInt = 128,
        augment: bool = True,
        batch_size: PositiveInt = 64,
        limit: PositiveInt | None = None,
        validation: PositiveInt = VALIDATION_FILES,
        drop_last: bool = False,
        workers: NonNegativeInt = 0,
    ) -> None:
        from torchvision.transforms import v2  # seconds to import

        folder = self.find(root)
        train, classes = listed(folder / "train")
        test, test_classes = listed(folder / "val")
        if classes != test_classes:
            differing = ", ".join(sorted(set(classes) ^ set(test_classes)))
            raise DataError(f"{folder}: train/ and val/ differ in their classes: {differing}")
        finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
        scaled = [v2.Resize(round(size / MARGIN), antialias=True), v2.CenterCrop(size)]
        measured = v2.Compose([*scaled, *finish])
        part = v2.RandomResizedCrop(size, scale=(SMALLEST_PART, 1.0), antialias=True)
        random = v2.Compose([part, v2.RandomHorizontalFlip(), *finish])
        kept, held = held_out(len(train), validation)
        shuffled = held_out(len(test), 0)[0]  # `limit` must not take the first class alone
        super().__init__(
            Files(chosen(train, kept[:limit]), measured, random if augment else None),
            Files(chosen(train, held[:limit]), measured),
            Files(chosen(test, shuffled[:limit]), measured),
            (3, size, size),
            len(classes),
            batch_size,
            drop_last,
            workers,
        )

    def find(self, root: str | None) -> Path:
        """The folder of train/ and val/."""
        if root is None:
            raise DataError("name the folder of train/ and val/ with --data.root")
        return Path(root).expanduser()


class Imagenette(Folder):
    """Imagenette: ten easy classes of ImageNet, 160 pixels on the short side."""

    incidental = Images.incidental
    archive: ClassVar[str] = "imagenette2-160"
    digest: ClassVar[str] = "e793b78cc4c9e9a4ccc0c1155377a412"

    def find(self, root: str | None) -> Path:
        from torchvision.datasets.utils import download_and_extract_archive

        parent = Path(root).expanduser() if root else cache_folder()
        folder = parent / self.archive
        if not folder.is_dir():
            address = f"https://s3.amazonaws.com/fast-ai-imageclas/{self.archive}.tgz"
            try:
                download_and_extract_archive(address, str(parent), md5=self.digest)
            except (OSError, RuntimeError) as error:
                raise DataError(
                    f"{folder} does not exist, and {address} cannot be downloaded: "
                    f"{reason(error)}\nGive the folder that has {self.archive}/ in it with "
                    "--data.root, or connect to the internet."
                ) from error
        return folder


class Imagewoof(Imagenette):
    """Imagewoof: ten breeds of dogs of ImageNet, 160 pixels on the short side."""

    archive = "imagewoof2-160"
    digest = "3d200a7be99704a0d7509be2a9fbfe15"


def read_image(path: str) -> Any:
    """The image in a file, in RGB.

    Of the kinds that a folder of images has, whatever the file is called: of others, PIL would
    start a program that reads them.

    Raises:
        DataError: it is no such image, damaged, or of more than `LARGEST_IMAGE` pixels.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd files
            file = io.BytesIO(read_bytes(Path(path), LARGEST_FILE))
            with Image.open(file, formats=FORMATS) as image:
                if math.prod(image.size) > LARGEST_IMAGE:
                    raise ValueError(f"it has more than {LARGEST_IMAGE} pixels")
                return image.convert("RGB")
    except Exception as error:  # of many kinds, in damaged files
        raise DataError(f"{path} cannot be read: {error}") from error


def listed(folder: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """The image files of a folder with the number of their class, and the names of the classes.

    As torchvision's `ImageFolder` finds them, but that links to folders within a class are not
    followed: they could go round in circles.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS

    try:
        classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        classes = []
    samples: list[tuple[str, int]] = []
    empty = []
    for number, name in enumerate(classes):
        below = sorted(os.walk(folder / name))
        files = [os.path.join(path, file) for path, _, names in below for file in sorted(names)]
        found = [(file, number) for file in files if file.lower().endswith(IMG_EXTENSIONS)]
        samples += found
        empty += [] if found else [name]
    if empty or not classes:
        problem = f"there is none for {', '.join(empty)}" if empty else "there is no class"
        raise DataError(f"{folder} is not a folder of images in a folder per class: {problem}")
    return samples, classes


def chosen(files: Sequence[tuple[str, int]], indices: np.ndarray) -> list[tuple[str, int]]:
    return [files[index] for index in np.sort(indices)]

"""Fashion-MNIST in memory, verified byte by byte.

The files are looked for in the folder that the user gives, else in the Debian package's, else
in the cache, where torchvision downloads them to. Nothing is parsed before its checksum is right.
"""

from __future__ import annotations

import hashlib
import math
import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.common.errors import DataError
from experiments.common.files import FileError, read_bytes
from experiments.common.numbers import PositiveInt
from experiments.tasks.data.images import Images, ImageSet, image_sets

SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")
VALIDATION_IMAGES = 5_000
GZIP = 16 + zlib.MAX_WBITS  # zlib's word for a gzip file


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


class FashionMNIST(Images[ImageSet]):
    """Fashion-MNIST: 60,000 images, some of them held out for validation, and 10,000 to test.

    Args:
        root: folder of the four .gz files; by default the system's copy, else a download.
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
        arrays = load(Path(root).expanduser() if root else None)
        train, test = (
            (arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"])
            for part in ("train", "t10k")
        )
        super().__init__(
            *image_sets(train, test, validation, limit), (1, 28, 28), 10, batch_size, drop_last
        )


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


def cache_folder() -> Path:
    """Where downloads are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "surrogate"


def download() -> Path:
    """The folder in the user's cache, filled by torchvision if it is not yet."""
    folder = cache_folder() / "FashionMNIST" / "raw"
    if not all((folder / f"{name}.gz").is_file() for name in FILES):
        from torchvision import datasets  # seconds to import, and rarely needed

        try:
            datasets.FashionMNIST(str(cache_folder()), download=True)
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
    size = header_size(expected.shape) + math.prod(expected.shape)
    stream = zlib.decompressobj(wbits=GZIP)
    try:
        packed = read_bytes(path, size + size // 1000 + 2**16)  # of bytes that do not get smaller
        if not packed.startswith(b"\x1f\x8b"):
            raise FileError("Not a gzipped file")
        data = stream.decompress(packed, size + 1)  # no more, whatever they would unpack to
    except FileNotFoundError:
        raise unusable(path, "does not exist") from None
    except (OSError, FileError, zlib.error) as error:
        raise unusable(path, f"cannot be read: {error}") from error
    if len(data) <= size and not stream.eof:
        raise unusable(path, "is cut short")
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise unusable(path, "is damaged: its contents do not have the right checksum")
    return data


def unusable(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path} {problem}.\nInstall (again) the Debian package dataset-fashion-mnist, give the "
        "folder of its four .gz files with --data.root, or delete a bad download to repeat it."
    )


def header_size(shape: tuple[int, ...]) -> int:
    """Bytes of an IDX file before its values."""
    return 4 + 4 * len(shape)


def parse_idx(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The array of bytes in an IDX file: 0, 0, type 8, the rank, each size in 4 bytes, values."""
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    if not data.startswith(header) or len(data) != len(header) + math.prod(shape):
        raise DataError(f"not an IDX file of bytes of shape {shape}")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape)

"""MNIST in memory, as torchvision has it."""

from __future__ import annotations

from experiments.data.fashion_mnist import VALIDATION_IMAGES, cache_folder
from experiments.data.images import DataError, Images, ImageSet, image_sets
from experiments.numbers import PositiveInt


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
        from torchvision import datasets  # seconds to import

        folder = root or str(cache_folder())
        try:
            parts = [datasets.MNIST(folder, train=train, download=True) for train in (True, False)]
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"MNIST is not in {folder} and cannot be downloaded: {reason(error)}\n"
                "Give the folder that torchvision keeps it in (the one above MNIST/raw) with "
                "--data.root, or connect to the internet."
            ) from error
        except (AssertionError, ArithmeticError, LookupError, ValueError) as error:
            raise damaged(folder, repr(error)) from error
        train, test = ((part.data.numpy(), part.targets.numpy()) for part in parts)
        for images, labels in (train, test):
            if images.shape != (len(labels), 28, 28) or not (labels < 10).all():
                raise damaged(folder, f"images {images.shape} for labels {labels.shape}")
        super().__init__(
            *image_sets(train, test, validation, limit), (1, 28, 28), 10, batch_size, drop_last
        )


def damaged(folder: str, problem: str) -> DataError:
    return DataError(f"MNIST in {folder} is damaged: {problem}. Delete it to download it again.")


def reason(error: Exception) -> str:
    """The last line of what a download says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]

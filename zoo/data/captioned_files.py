"""Reads captioning datasets from tables of image files and captions."""

from pathlib import Path
from typing import Any

from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import as_file_name, as_text, check_files, hold_out_share, read_table
from zoo.images import ImageFile


def load_captioned(
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    images: str | Path | None = None,
    image: str = "image",
    caption: str = "caption",
    dev_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a captioning dataset from tables.

    A split is one table in a format of `load_labelled`, with a column of image files, as paths
    relative to the folder `images` and within it, and a column of captions. All captions of an
    image are collected from its rows; in `.jsonl` a caption may also be a list of captions.

    Args:
        train: Path.
        dev: Path. By default images are held out of `train`.
        test: Path.
        images: Path of the folder with the images. Defaults to `None`, the folder of each table.
        image: Name of the column with the image files. Defaults to `"image"`.
        caption: Name of the column with the captions. Defaults to `"caption"`.
        dev_fraction: float. Share of the images of `train` to hold out if `dev` is not given.
            Defaults to `0.1`.
        seed: int. Seed of the choice of those images. Defaults to `0`.

    Returns:
        A `Dataset` named after the file, with the columns `"image"`, of `zoo.images.ImageFile`,
        and `"captions"`, of lists of strings. The bytes of each image are read once, for the
        digest.

    Raises:
        FileNotFoundError: if there is no such file, or an image is missing.
        ValueError: if a file is not in such a format (with the number of the line), lacks a column
            or has no rows.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_captioned(file, images, image, caption)
        for split, file in files.items()
        if file is not None
    }
    if dev is None:
        rows = splits["train"]
        names = [image.name for image in rows["image"]]
        splits["train"], splits["dev"] = hold_out_share(rows, names, dev_fraction, seed, train)
    return dataset_of_files(train, "image_to_text", splits)


def read_captioned(
    file: str | Path,
    images: str | Path | None = None,
    image: str = "image",
    caption: str = "caption",
) -> Columns:
    """Reads one table in a format of `load_captioned`.

    Args:
        file: Path.
        images: Path of the folder with the images. Defaults to `None`, the folder of the table.
        image: Name of the column with the image files.
        caption: Name of the column with the captions.

    Returns:
        The columns `"image"`, of different `ImageFile`, and `"captions"`, of lists of strings.

    Raises:
        FileNotFoundError: if there is no such file, or an image is missing.
        ValueError: if the file is not in such a format, lacks a column or has no rows.
    """
    file = Path(file)
    folder = file.parent if images is None else Path(images)
    table = read_table(
        file,
        {"image": image, "caption": caption},
        {"image": as_file_name, "caption": _captions},
    )
    captions: dict[str, list[str]] = {}
    for name, found in zip(table["image"], table["caption"], strict=True):
        captions.setdefault(name, []).extend(found)
    check_files(file, folder, captions, "images")
    return {
        "image": [ImageFile(name, folder / name) for name in captions],
        "captions": list(captions.values()),
    }


def _captions(file: Path, number: int, value: Any) -> list[str]:
    captions = [
        as_text(file, number, one) for one in (value if isinstance(value, list) else [value])
    ]
    if not captions or not all(caption.strip() for caption in captions):
        raise ValueError(
            f"{file}, line {number}: the caption must have words. Leave out rows without. "
            f"Received: {value!r}"
        )
    return captions

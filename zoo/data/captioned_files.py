"""Pictures and their captions from files of one's own."""

from pathlib import Path, PurePath
from typing import Any

from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import as_text, hold_out_share, read_table
from zoo.images import ImageFile

_NAMED = 3  # of the absent pictures, in an error


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
    """Loads a dataset of captioned pictures from tables.

    A split is one table, whose suffix tells its format as for `load_labelled`. One of its columns
    names the file of a picture, relative to the folder `images` and within it; another has what
    it shows. Rows of one picture are gathered: it has all their captions. In `.jsonl` a caption
    may also be a list of them.

    Args:
        train: Path.
        dev: Path. Without it, pictures are held out of `train`, none of which remain there.
        test: Path.
        images: Path of the folder with the pictures. Defaults to `None`, that of each table.
        image: Name of the column with the pictures' files.
        caption: Name of the column with the captions.
        dev_fraction: float. Share of the pictures of `train` to hold out if there is no `dev`.
        seed: int. Another seed holds out other pictures.

    Returns:
        A `Dataset` with the columns `"image"`, of `zoo.images.ImageFile`, and `"captions"`, of
        lists of strings. Its name is that of the file. Each picture's bytes are read once, for
        the digest.

    Raises:
        FileNotFoundError: if there is no such file, or pictures are absent that it names.
        ValueError: if a file cannot be read as said above (with the number of the line), or
            has no such column or no rows.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_captioned(file, images, image, caption)
        for split, file in files.items()
        if file is not None
    }
    if dev is None:
        splits["train"], splits["dev"] = _hold_out(splits["train"], dev_fraction, seed, train)
    return dataset_of_files(train, "image_to_text", splits)


def read_captioned(
    file: str | Path,
    images: str | Path | None = None,
    image: str = "image",
    caption: str = "caption",
) -> Columns:
    """Reads one table, as `load_captioned` does.

    Args:
        file: Path.
        images: Path of the folder with the pictures. Defaults to `None`, that of the table.
        image: Name of the column with the pictures' files.
        caption: Name of the column with the captions.

    Returns:
        The columns `"image"`, of `ImageFile`, each once, and `"captions"`, of lists of strings.

    Raises:
        FileNotFoundError: if there is no such file, or pictures are absent that it names.
        ValueError: if it cannot be read, or has no such column or no rows.
    """
    file = Path(file)
    folder = file.parent if images is None else Path(images)
    table = read_table(
        file,
        {"image": image, "caption": caption},
        {"image": _image, "caption": _captions},
    )
    captions: dict[str, list[str]] = {}
    for name, found in zip(table["image"], table["caption"], strict=True):
        captions.setdefault(name, []).extend(found)
    if absent := [name for name in captions if not (folder / name).is_file()]:
        more = ", …" if len(absent) > _NAMED else ""
        raise FileNotFoundError(
            f"{file} names {len(absent)} of {len(captions)} pictures that are not in the folder "
            f"{str(folder)!r}. The argument `images` says which folder to look in. Received: "
            f"{', '.join(map(repr, absent[:_NAMED]))}{more}"
        )
    return {
        "image": [ImageFile(name, folder / name) for name in captions],
        "captions": list(captions.values()),
    }


def _image(file: Path, number: int, value: Any) -> str:
    """A path within the folder, in one spelling."""
    path = PurePath(as_text(file, number, value))
    if not path.name or path.anchor or ".." in path.parts:
        raise ValueError(
            f"{file}, line {number}: the image must be the path of a file, relative to the folder "
            f"of images and within it. Received: {value!r}"
        )
    return str(path)


def _captions(file: Path, number: int, value: Any) -> list[str]:
    captions = [
        as_text(file, number, one) for one in (value if isinstance(value, list) else [value])
    ]
    if not captions or not all(caption.strip() for caption in captions):
        raise ValueError(
            f"{file}, line {number}: the caption must have words. Leave out what has none. "
            f"Received: {value!r}"
        )
    return captions


def _hold_out(
    columns: Columns, fraction: float, seed: int, file: object
) -> tuple[Columns, Columns]:
    names = [picture.name for picture in columns["image"]]
    parts = hold_out_share({"text": names, **columns}, fraction, seed, file)
    rest, held = ({name: part[name] for name in columns} for part in parts)
    return rest, held

"""Flickr8k: photographs with five captions each."""

import io
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import Columns, DatasetCard, RemoteFile
from zoo.data.public import PublicDataset, rows
from zoo.images import ImageFile, read_image, zipped_pictures

_ADDRESS = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
_SPLITS = ("train", "dev", "test")
_CAPTIONS = 5
_LONGEST_FILE = 1 << 24  # in an archive, in bytes
_SIDE = 224  # of a stored picture, in pixels


class Flickr8k(PublicDataset):
    """The official split; pictures of 224 by 224 pixels, whatever shape they had.

    It has the columns `"image"`, of `ImageFile`, and `"captions"`, of lists of five strings,
    tokens with spaces between.
    """

    # The original was handed out on request, for non-commercial research and education; the
    # photographs are their authors'. The publisher's bytes are not pinned. What is checked is
    # the content of the captions and the names of their pictures, and that each picture is
    # there; not the pictures themselves: reduced anew from the originals, they are not the
    # bytes that others reduced them to.
    card = DatasetCard(
        name="flickr8k",
        task="image_to_text",
        languages=("en",),
        licence="none stated; treat as research only",
        citation=(
            "Hodosh, Young and Hockenmaier (2013). Framing image description as a ranking task. "
            "JAIR 47."
        ),
        homepage="https://github.com/jbrownlee/Datasets",
        description="8,000 photographs, five English captions each, written by people.",
        splits={"train": 6_000, "dev": 1_000, "test": 1_000},
        files=tuple(
            RemoteFile(name, f"{_ADDRESS}/{name}")
            for name in ("Flickr8k_Dataset.zip", "Flickr8k_text.zip")
        ),
        digests={
            "train": "460906c7386d73eedf74eb95a5896134478bd1ac39fea36341d2f3d5f4240f24",
            "dev": "c7c52beb2e1dab9ee9b279643d0cf144d1fe9b07807548452e2aec6700c20a47",
            "test": "e6a76f3e6bf340ab09f9207abba1d40d4f2989505dd89cd1e6057e29f4fd3f79",
        },
    )
    stored = {split: f"captions_{split}.tsv" for split in _SPLITS}
    others = tuple(f"images_{split}.zip" for split in _SPLITS)
    columns = ("image", "captions")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
        for image, *captions in rows(lines, 1 + _CAPTIONS):
            yield image, captions

    def read(self, folder: Path, split: str) -> Columns:
        """Reads one split, as all datasets do, with its pictures in place of their names."""
        columns = super().read(folder, split)
        try:
            pictures = zipped_pictures(folder / f"images_{split}.zip", columns["image"])
        except ValueError as error:
            raise ValueError(
                f"{error}. Remove it, and run `zoo data get {self.card.name}` again."
            ) from error
        return {**columns, "image": pictures}

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Makes a table of captions and an archive of reduced pictures for each split.

        Nothing in the archives is given a path here: the texts are read by their names, and of
        the pictures those that the lists of the splits name.
        """
        try:
            with zipfile.ZipFile(downloads / "Flickr8k_text.zip") as texts:
                names = self._write_captions(texts, folder)
            with zipfile.ZipFile(downloads / "Flickr8k_Dataset.zip") as pictures:
                _write_pictures(pictures, names, folder)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, KeyError) as error:
            raise ValueError(
                f"What {_ADDRESS} serves is not the archives we know ({error}). Try again, or "
                f"fetch the dataset elsewhere and name the folder that holds its folder in "
                f"$ZOO_DATA."
            ) from error

    def _write_captions(self, texts: zipfile.ZipFile, folder: Path) -> dict[str, list[str]]:
        """Writes the tables, and returns the names of each split's pictures."""
        captions: dict[str, list[str]] = {}
        for line in _text(texts, "Flickr8k.token.txt").split("\n"):
            number, _, caption = line.partition("\t")  # NAME.jpg#0, and what it says
            captions.setdefault(number.partition("#")[0], []).append(caption)
        names = {}
        for split, name in self.stored.items():
            names[split] = sorted(_text(texts, f"Flickr_8k.{split}Images.txt").split())
            with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
                file.write("\t".join(("image", *(f"caption_{i}" for i in range(_CAPTIONS)))) + "\n")
                for image in names[split]:
                    file.write("\t".join((image, *captions[image])) + "\n")
        return names


def _write_pictures(pictures: zipfile.ZipFile, names: dict[str, list[str]], folder: Path) -> None:
    from tqdm import tqdm

    for split in names:
        with zipfile.ZipFile(folder / f"images_{split}.zip", "w") as reduced:
            for name in tqdm(names[split], f"reducing {split}", disable=not sys.stderr.isatty()):
                # The folder is spelt so. Without a date, the archive is the same each time.
                content = _member(pictures, f"Flicker8k_Dataset/{name}")
                reduced.writestr(zipfile.ZipInfo(name), _reduced(content, name))


def _reduced(content: bytes, name: str) -> bytes:
    import PIL.Image

    reduced = io.BytesIO()
    pixels = read_image(ImageFile(name, content=content), (_SIDE, _SIDE))
    PIL.Image.fromarray(pixels).save(reduced, "JPEG", quality=90)
    return reduced.getvalue()


def _text(texts: zipfile.ZipFile, name: str) -> str:
    return _member(texts, name).decode("utf-8").replace("\r\n", "\n").removesuffix("\n")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > _LONGEST_FILE:
        raise zipfile.BadZipFile(f"{name} is of {member.file_size:,} bytes")
    return archive.read(member)

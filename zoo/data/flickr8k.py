"""The Flickr8k dataset: photographs with five captions each."""

import io
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import Columns, DatasetCard, RemoteFile
from zoo.data.public import PublicDataset, rows
from zoo.images import ImageFile, read_image, zipped_images

_ADDRESS = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
_SPLITS = ("train", "dev", "test")
_CAPTIONS = 5
MAX_FILE_BYTES = 1 << 24  # of a member of an archive
_SIDE = 224  # of a stored image, in pixels


class Flickr8k(PublicDataset):
    """The official splits, with images resized to 224 by 224 pixels.

    The columns are `"image"`, of `ImageFile`, and `"captions"`, of lists of five strings, which
    are tokens separated by spaces.
    """

    # The original was distributed on request, for non-commercial research and education; the
    # photographs belong to their authors. The downloaded bytes have no checksum. Captions, names
    # of images and the presence of each image are verified, but not the images themselves:
    # resizing the originals does not give the same bytes on every machine.
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
        """Reads a split, with an `ImageFile` in place of each name; see `PublicDataset.read`."""
        columns = super().read(folder, split)
        try:
            images = zipped_images(folder / f"images_{split}.zip", columns["image"])
        except ValueError as error:
            raise ValueError(
                f"{error}. Remove it, and run `zoo data get {self.card.name}` again."
            ) from error
        return {**columns, "image": images}

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Writes a table of captions and an archive of resized images for each split.

        No member is extracted to a path. Only texts with known names and the images in the lists
        of the splits are read.
        """
        try:
            with zipfile.ZipFile(downloads / "Flickr8k_text.zip") as texts:
                names = self._write_captions(texts, folder)
            with zipfile.ZipFile(downloads / "Flickr8k_Dataset.zip") as images:
                _write_images(images, names, folder)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, KeyError) as error:
            raise ValueError(
                f"The archives at {_ADDRESS} are damaged or not the published ones ({error}). Try "
                f"again, or copy the dataset's folder from another machine and set $ZOO_DATA to "
                f"the folder that contains it."
            ) from error

    def _write_captions(self, texts: zipfile.ZipFile, folder: Path) -> dict[str, list[str]]:
        """Writes the tables, and returns the names of the images of each split."""
        captions: dict[str, list[str]] = {}
        for line in _text(texts, "Flickr8k.token.txt").split("\n"):
            number, _, caption = line.partition("\t")  # NAME.jpg#0<tab>CAPTION
            captions.setdefault(number.partition("#")[0], []).append(caption)
        names = {}
        for split, name in self.stored.items():
            names[split] = sorted(_text(texts, f"Flickr_8k.{split}Images.txt").split())
            with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
                file.write("\t".join(("image", *(f"caption_{i}" for i in range(_CAPTIONS)))) + "\n")
                for image in names[split]:
                    file.write("\t".join((image, *captions[image])) + "\n")
        return names


def _write_images(images: zipfile.ZipFile, names: dict[str, list[str]], folder: Path) -> None:
    from tqdm import tqdm

    for split in names:
        with zipfile.ZipFile(folder / f"images_{split}.zip", "w") as resized:
            for name in tqdm(names[split], f"resizing {split}", disable=not sys.stderr.isatty()):
                # The archive spells its folder so. Without dates the result is reproducible.
                content = _member(images, f"Flicker8k_Dataset/{name}")
                resized.writestr(zipfile.ZipInfo(name), _resized(content, name))


def _resized(content: bytes, name: str) -> bytes:
    import PIL.Image

    resized = io.BytesIO()
    pixels = read_image(ImageFile(name, content=content), (_SIDE, _SIDE))
    PIL.Image.fromarray(pixels).save(resized, "JPEG", quality=90)
    return resized.getvalue()


def _text(texts: zipfile.ZipFile, name: str) -> str:
    return _member(texts, name).decode("utf-8").replace("\r\n", "\n").removesuffix("\n")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > MAX_FILE_BYTES:
        raise zipfile.BadZipFile(f"{name} has {member.file_size:,} bytes")
    return archive.read(member)

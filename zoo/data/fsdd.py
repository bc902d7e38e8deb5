"""The Free Spoken Digit Dataset: single English digits."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo.audio import AudioFile
from zoo.data.dataset import Columns, Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.public import PublicDataset
from zoo.suggestions import did_you_mean

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TAKES = {"train": range(10, 50), "dev": range(5, 10), "test": range(5)}  # of a digit and speaker
MAX_RECORDING_BYTES = 1 << 20
_ADDRESS = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip"


class Fsdd(PublicDataset):
    """The official test split, takes 0 to 4 of each digit by each speaker; dev is takes 5 to 9.

    The splits have the same speakers, unless one is left out.
    """

    card = DatasetCard(
        name="fsdd",
        task="speech_to_text",
        languages=("en",),
        licence="CC BY-SA 4.0",
        citation="Jackson et al. (2018). Free Spoken Digit Dataset, v1.0.8. Zenodo.",
        homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
        description="3,000 recordings of single English digits by six speakers, at 8 kHz.",
        splits={"train": 2_400, "dev": 300, "test": 300},
        files=(RemoteFile("master.zip", _ADDRESS),),
        digests={
            "train": "490b479651fe734e3bbc602bad64077acb2c1f68b5aa9964b3bf32e0dc49ad67",
            "dev": "64407fc9a1d2034cf28a925dfd222eb5303918e745532bb5ab65b218fa593eed",
            "test": "28e06b6c58426a31f45e62ab6056bcfcb41143c5bdd246991b13f8649b1b3ce2",
        },
    )
    stored = dict.fromkeys(TAKES, "recordings.zip")
    columns = ("audio", "text", "speaker")

    def load(self, leave_out: str = "") -> Dataset:
        """Loads the recordings.

        Args:
            leave_out: A speaker of whom train and dev have no recording and test has all 500. By
                default no speaker is left out.
        """
        check_speaker("leave_out", leave_out)
        splits = self.recordings()
        if leave_out:
            by_speaker = {split: by(columns, leave_out) for split, columns in splits.items()}
            splits = {split: by(columns, leave_out, False) for split, columns in splits.items()}
            splits["test"] = join(by_speaker.values())
        return as_dataset(self.card, splits)

    def recordings(self) -> dict[str, Columns]:
        """The columns of all splits, of all speakers, after a check of their content."""
        folder = self.get()
        return {split: self.read(folder, split) for split in self.stored}

    def read_rows(self, file: Path, split: str) -> Iterator[tuple[AudioFile, str, str]]:
        with zipfile.ZipFile(file) as archive:
            for digit, word in enumerate(DIGITS):
                for speaker in SPEAKERS:
                    for take in TAKES[split]:
                        name = f"{digit}_{speaker}_{take}.wav"
                        yield AudioFile(name, content=_member(archive, name)), word, speaker

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Copies the recordings from the archive of the repository into one of their own."""
        with (
            zipfile.ZipFile(downloads / "master.zip") as repository,
            zipfile.ZipFile(folder / "recordings.zip", "w") as recordings,
        ):
            for member in repository.namelist():
                parent, _, name = member.rpartition("/")
                if parent.endswith("/recordings") and name.endswith(".wav"):
                    content = _member(repository, member)
                    recordings.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def check_speaker(option: str, speaker: str) -> None:
    """Raises a `ValueError` unless an option is empty or one of the speakers."""
    if speaker and speaker not in SPEAKERS:
        raise ValueError(
            f"{option} must be one of {', '.join(SPEAKERS)}."
            f"{did_you_mean(str(speaker), SPEAKERS)} Received: {option}={speaker!r}"
        )


def by(columns: Columns, speaker: str, wanted: bool = True) -> Columns:
    """The rows of one speaker, or those of all others."""
    rows = [row for row, name in enumerate(columns["speaker"]) if (name == speaker) == wanted]
    return {name: [values[row] for row in rows] for name, values in columns.items()}


def join(parts: Iterable[Columns]) -> Columns:
    """The rows of several tables with the same columns."""
    joined: Columns = {name: [] for name in Fsdd.columns}
    for part in parts:
        for name, values in part.items():
            joined[name] += values
    return joined


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        member = archive.getinfo(name)
    except KeyError:
        raise zipfile.BadZipFile(f"it has no member {name}") from None
    if member.file_size > MAX_RECORDING_BYTES:
        raise zipfile.BadZipFile(f"{name} has {member.file_size:,} bytes")
    return archive.read(member)

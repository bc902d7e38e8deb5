"""Reads speech datasets from tables of recordings and transcripts."""

from pathlib import Path
from typing import Any

from zoo.audio import AudioFile
from zoo.data.dataset import Columns, Dataset, dataset_of_files
from zoo.data.tables import as_file_name, as_text, check_files, hold_out_share, read_table


def load_transcribed(
    train: str | Path,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    recordings: str | Path | None = None,
    audio: str = "audio",
    text: str = "text",
    speaker: str | None = None,
    dev_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a speech dataset from tables.

    A split is one table in a format of `load_labelled`, with a column of audio files, as paths
    relative to the folder `recordings` and within it, a column of transcripts and, if `speaker`
    names it, one of speakers.

    Args:
        train: Path.
        dev: Path. By default recordings are held out of `train`.
        test: Path.
        recordings: Path of the folder with the audio files. Defaults to `None`, the folder of
            each table.
        audio: Name of the column with the audio files. Defaults to `"audio"`.
        text: Name of the column with the transcripts. Defaults to `"text"`.
        speaker: Name of the column with the speakers. Defaults to `None`: unknown.
        dev_fraction: float. Share of the recordings of `train` to hold out if `dev` is not given.
            Defaults to `0.1`.
        seed: int. Seed of the choice of those recordings. Defaults to `0`.

    Returns:
        A `Dataset` named after the file, with the columns `"audio"`, of `zoo.audio.AudioFile`,
        `"text"` and `"speaker"`. The bytes of each recording are read once, for the digest.

    Raises:
        FileNotFoundError: if there is no such file, or a recording is missing.
        ValueError: if a file is not in such a format (with the number of the line), lacks a column
            or has no rows.
    """
    files = {"train": train, "dev": dev, "test": test}
    splits = {
        split: read_transcribed(file, recordings, audio, text, speaker)
        for split, file in files.items()
        if file is not None
    }
    if dev is None:
        rows = splits["train"]
        names = [file.name for file in rows["audio"]]
        splits["train"], splits["dev"] = hold_out_share(rows, names, dev_fraction, seed, train)
    return dataset_of_files(train, "speech_to_text", splits)


def read_transcribed(
    file: str | Path,
    recordings: str | Path | None = None,
    audio: str = "audio",
    text: str = "text",
    speaker: str | None = None,
) -> Columns:
    """Reads one table in a format of `load_transcribed`.

    Args:
        file: Path.
        recordings: Path of the folder with the audio files. Defaults to `None`, the folder of the
            table.
        audio: Name of the column with the audio files.
        text: Name of the column with the transcripts.
        speaker: Name of the column with the speakers. Defaults to `None`: unknown.

    Returns:
        The columns `"audio"`, of `AudioFile`, `"text"` and `"speaker"`, which is `""` if unknown.

    Raises:
        FileNotFoundError: if there is no such file, or a recording is missing.
        ValueError: if the file is not in such a format, lacks a column or has no rows.
    """
    file = Path(file)
    folder = file.parent if recordings is None else Path(recordings)
    columns = {"audio": audio, "text": text} | ({"speaker": speaker} if speaker else {})
    convert = {"audio": as_file_name, "text": _transcript, "speaker": as_text}
    table = read_table(file, columns, convert)
    check_files(file, folder, table["audio"], "recordings")
    return {
        "audio": [AudioFile(name, folder / name) for name in table["audio"]],
        "text": table["text"],
        "speaker": table.get("speaker", [""] * len(table["text"])),
    }


def _transcript(file: Path, number: int, value: Any) -> str:
    """The transcript with single spaces between words."""
    return " ".join(as_text(file, number, value).split())

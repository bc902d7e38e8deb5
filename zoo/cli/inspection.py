"""Looks at a user's files and proposes a recipe for them, with the reasons."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from zoo.cli.columns import Column, Roles, named_pair
from zoo.cli.errors import WrongUse
from zoo.data import read_parallel, read_tagged, read_texts
from zoo.data.languages import guess_language
from zoo.data.tables import table_format
from zoo.data.text_files import is_text
from zoo.tags import tagging_scheme

MOST_SYMBOLS = 200  # different phones, or the like
UNSPACED = ("ja", "zh", "th")  # languages without spaces between words
SHORT, LONG = 32, 512  # limits of the proposed length of a sequence, in tokens
LENGTH_REASON = "in tokens; about 95 % of the texts are no longer"
LANES = "parts of the text that are read side by side"
MANY_CHARACTERS = 3_000_000  # of which a language model reads subwords


@dataclass
class Setting:
    """One key of the recipe: its value, and why."""

    section: str
    key: str
    value: Any
    reason: str = ""


@dataclass
class Proposal:
    """A recipe for some files.

    Attributes:
        recipe: Name of the recipe.
        seen: What was found in the files.
        reason: Why it is that recipe.
        settings: The keys to write, in order.
        rows: Number of rows of labelled texts, or of what a model is tuned on: of a language model
            the characters.
        language: Code of the language of texts with labels, if it is known.
    """

    recipe: str
    seen: str
    reason: str
    settings: list[Setting] = field(default_factory=list)
    rows: int = 0
    language: str | None = None

    def add(self, section: str, key: str, value: Any, reason: str = "") -> None:
        self.settings.append(Setting(section, key, value, reason))

    def update(self, values: dict[str, Any]) -> None:
        """Takes the changed content of the recipe file over; the rest keeps its reasons."""
        self.recipe = values["recipe"]
        found = [
            Setting("", key, value)
            for key, value in values.items()
            if key != "recipe" and not isinstance(value, dict)
        ]
        for section, keys in values.items():
            if isinstance(keys, dict):
                found += [Setting(section, key, value) for key, value in keys.items()]
        reasons = {(it.section, it.key, str(it.value)): it.reason for it in self.settings}
        for it in found:
            it.reason = reasons.get((it.section, it.key, str(it.value)), "")
        self.settings = found

    def values(self) -> dict[str, Any]:
        """The content of the recipe file."""
        values: dict[str, Any] = {"recipe": self.recipe}
        for setting in self.settings:
            section = values.setdefault(setting.section, {}) if setting.section else values
            section[setting.key] = setting.value
        return values


def propose(files: Sequence[Path]) -> Proposal:
    """Proposes a recipe for one file, or for a pair of parallel texts.

    Raises:
        WrongUse: if no task fits the files.
        FileNotFoundError: if there is no such file.
        ValueError: if a file is not in a format of `zoo.data`.
    """
    if len(files) == 2:
        columns = read_parallel([str(file) for file in files])
        found = _translation(columns["source"], columns["target"], "two files with as many lines")
        found.settings.insert(0, Setting("data", "train", [str(file) for file in files]))
        return found
    (file,) = files
    if is_tagged(file):
        found = _tagging(file)
    elif table_format(file):
        found = _of_table(file, Roles.of(file))
    elif file.is_dir() or is_text(file):
        found = _language_modeling(file)
    else:
        raise WrongUse(
            "A table (.csv, .tsv, .jsonl), a tagged file (.conllu, .conll, or .txt and .tsv with a "
            "word per line), two text files, source and target, or a text file or a folder of them "
            f"are needed. Received: {file}",
            hint="zoo init --help",
        )
    found.settings.insert(0, Setting("data", "train", str(file)))
    return found


def is_tagged(file: Path) -> bool:
    """True if a file has a word per line, by its suffix and its blank lines."""
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() != ".gz"]
    if suffixes[-1:] in ([".conllu"], [".conll"]):
        return True
    if suffixes[-1:] not in ([".txt"], [".tsv"]):
        return False
    from zoo.data.tables import lines

    head = [line.strip() for _, line in zip(range(500), lines(file), strict=False)]
    columns = {len(line.split()) for line in head if line}
    return "" in head[:-1] and len(columns) == 1 and columns != {1}


def _of_table(file: Path, roles: Roles) -> Proposal:
    """The recipe of a table: by its columns of images, recordings, labels and texts."""
    seen = str(roles)
    text, label = roles.text, roles.label
    if roles.audio and roles.transcript:
        return _speech(seen, roles.audio[0], roles.transcript, roles.speaker)
    if roles.images and roles.caption:
        return _captioning(seen, roles.images[0], roles.caption)
    pair = named_pair(roles.texts) or roles.texts[:2]
    if text and label and not named_pair(roles.texts):
        return _sentiment(seen, text, label)
    if len(pair) == 2:
        source, target = pair
        found = _translation(source.values, target.values, f"{seen}; two of texts, none of labels")
        found.settings[0:0] = [
            Setting("data", "source", source.name, "column to translate from"),
            Setting("data", "target", target.name, "column to translate into"),
        ]
        return found
    raise WrongUse(
        "A table needs a column of texts and one of labels (few values, each more than once), two "
        "of texts, or one of image files (or recordings) and one of captions (transcripts). Name "
        "the columns yourself: "
        f"`zoo run sentiment/quickstart data.train={file} data.text=… data.label=…`. "
        f"Received: {seen}",
        hint="zoo recipes",
    )


def _sentiment(seen: str, text: Column, label: Column) -> Proposal:
    counts, rows = label.counts, len(label.values)
    listed = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common(6))
    more = ", …" if len(counts) > 6 else ""
    found = Proposal("sentiment", seen, "a column of texts and one of labels: classification")
    language = guess_language(text.values)
    found.rows, found.language = rows, language
    found.add("data", "text", text.name, f"{_size(text.values)}, {language or 'unknown language'}")
    found.add("data", "label", label.name, f"{len(counts)} values: {listed}{more}")
    found.add("tokenizer", "vocabulary_size", _vocabulary(rows), f"for {rows:,} rows")
    _add_units(found, rows, ("embedding_dim", "units"))
    found.add("model", "sequence_length", length_of(text.values, language), LENGTH_REASON)
    _add_training(found, rows)
    share = counts.most_common(1)[0][1] / rows
    found.add("evaluation", "metric", "accuracy" if share < 0.8 else "macro_f1", _balance(share))
    if share < 0.8:
        found.add(
            "evaluation", "gate", round(share + 0.01, 2), "more than the most frequent label has"
        )
    return found


def _balance(share: float) -> str:
    rule = "the most frequent label has" if share < 0.8 else "labels are unequal: the first has"
    return f"{rule} {share:.0%} of the rows"


def _translation(source: list[str], target: list[str], seen: str) -> Proposal:
    if _are_pronunciations(source, target):
        return _pronunciation(source, target, seen)
    rows = len(source)
    languages = [guess_language(texts) for texts in (source, target)]
    pair = " to ".join(language or "unknown" for language in languages)
    found = Proposal("translation", seen, f"pairs of texts ({pair}): translation")
    found.add("tokenizer", "vocabulary_size", _vocabulary(rows), f"for {rows:,} rows")
    _add_units(found, rows, ("embedding_dim", "units"))
    length = max(map(length_of, (source, target), languages))
    found.add("model", "sequence_length", length, LENGTH_REASON)
    _add_training(found, rows, small=30)
    found.add("evaluation", "metric", "chrf", "moves from the first epochs, in any language")
    return found


def _are_pronunciations(source: list[str], target: list[str]) -> bool:
    """True for words with few different symbols, separated by spaces, such as phones."""
    symbols = [text.split() for text in target]
    different = len({symbol for row in symbols for symbol in row})
    few = different <= min(MOST_SYMBOLS, sum(map(len, symbols)) / 10)
    return few and mean(map(len, symbols)) > 2 and all(len(text.split()) == 1 for text in source)


def _pronunciation(source: list[str], target: list[str], seen: str) -> Proposal:
    rows, different = len(source), len({symbol for text in target for symbol in text.split()})
    found = Proposal("translation", seen, f"words, and {different} symbols: pronunciation")
    found.add("tokenizer", "algorithm", "symbols", "targets, separated by spaces")
    found.add("tokenizer", "source_algorithm", "characters", "sources are words")
    found.add("tokenizer", "separate", True, "sources have characters, targets symbols")
    _add_units(found, rows, ("embedding_dim", "units"))
    longest = max(*map(len, source), *(len(text.split()) for text in target))
    length = min(-(-(longest + 1) // 8) * 8, LONG)
    found.add("model", "sequence_length", length, f"of at most {longest} characters or symbols")
    _add_training(found, rows, small=30)
    found.add("evaluation", "metric", "word_error_rate", "words without a right pronunciation, %")
    return found


@dataclass(frozen=True)
class Tagged:
    """The sentences of a tagged file.

    Attributes:
        texts: The sentences.
        tags: The tags with their counts.
        unit: What has a tag: `"word"`, or `"character"` if each is a single one.
    """

    texts: list[str]
    tags: Counter[str]
    unit: str

    @classmethod
    def read(cls, file: Path, column: str = "upos") -> "Tagged":
        """Reads a file; `column` is that of the tags in CoNLL-U."""
        columns = read_tagged(file, column)
        sentences = columns["tokens"]
        is_single = all(len(token) == 1 for tokens in sentences for token in tokens)
        unit, separator = ("character", "") if is_single else ("word", " ")
        tags = Counter(tag for row in columns["tags"] for tag in row)
        return cls([separator.join(tokens) for tokens in sentences], tags, unit)

    def __str__(self) -> str:
        counts = f"{len(self.texts):,} sentences of {self.tags.total():,} {self.unit}s"
        return f"{counts}, {len(self.tags)} tags"


def _tagging(file: Path) -> Proposal:
    tagged = Tagged.read(file)
    tags, rows, scheme = tagged.tags, len(tagged.texts), tagging_scheme(tagged.tags)
    what = f"{scheme.upper()} tags mark spans" if scheme else f"a tag for each {tagged.unit}"
    found = Proposal("tagging", str(tagged), f"{what}: tagging")
    if language := guess_language(tagged.texts):
        found.add("data", "language", language, f"guessed from the {tagged.unit}s")
    if tagged.unit == "character":
        found.add("tokenizer", "unit", "characters", "a text is split into its characters")
        found.add("model", "characters", "none", "which words have, and characters do not")
    _add_units(found, rows, ("word_dim", "units"))
    _add_training(found, rows, small=20)
    if scheme:
        found.add("evaluation", "metric", "f1_conlleval", "F1 of the spans")
    else:
        found.add("evaluation", "metric", "token_accuracy")
        share = tags.most_common(1)[0][1] / tags.total()
        found.add("evaluation", "gate", round(share + 0.01, 2), "more than the most frequent tag")
    return found


def _captioning(seen: str, image: Column, caption: Column) -> Proposal:
    rows = len(caption.values)
    language = guess_language(caption.values)
    found = Proposal("captioning", seen, "a column of image files and one of texts: captioning")
    found.add("data", "image", image.name, f"such as {image.values[0]}")
    found.add("data", "caption", caption.name, f"{_size(caption.values)}, {language or 'unknown'}")
    found.add("tokenizer", "vocabulary_size", _vocabulary(rows), f"for {rows:,} rows")
    found.add("model", "image_size", [128, 128], "faster than the default of 224")
    _add_units(found, rows, ("embedding_dim", "units"))
    found.add("model", "sequence_length", length_of(caption.values, language), LENGTH_REASON)
    _add_training(found, rows, small=20)
    found.add("evaluation", "metric", "rouge_l", "moves from the first epochs")
    return found


def _speech(seen: str, audio: Column, spoken: Column, speaker: Column | None) -> Proposal:
    rows = len(spoken.values)
    found = Proposal("speech", seen, "a column of recordings and one of texts: speech recognition")
    found.add("data", "audio", audio.name, f"such as {audio.values[0]}")
    found.add("data", "text", spoken.name, f"{_size(spoken.values)}")
    if speaker is not None:
        found.add("data", "speaker", speaker.name, f"{len(speaker.counts)} speakers")
    found.add("model", "sampling_rate", 16_000, "8000 for telephone calls")
    found.add("model", "frame_length", 400, "25 milliseconds")
    found.add("model", "hop_length", 160, "10 milliseconds")
    found.add("model", "units", 128 if rows < 20_000 else 256)
    _add_training(found, rows, small=40)
    found.add("training", "speed", 0.1, "recordings sound faster and slower in each epoch")
    found.add("evaluation", "metric", "cer", "moves from the first epochs")
    return found


def _language_modeling(path: Path) -> Proposal:
    texts = read_texts(path)["text"]
    size = sum(map(len, texts))
    kind = "a text" if len(texts) == 1 else f"{len(texts):,} texts"
    found = Proposal(
        "language_modeling",
        f"{kind} of {size:,} characters",
        "text without labels: a language model, which writes more of it",
    )
    level, tokens = "characters", size
    if size > MANY_CHARACTERS:
        level, tokens = "subwords", size // 4
    found.add("tokenizer", "level", level, f"for {size:,} characters")
    if level == "subwords":
        found.add("tokenizer", "vocabulary_size", 4000 if size < 20_000_000 else 8000)
    for key, units in (("embedding_dim", 64), ("units", 128 if tokens < 200_000 else 384)):
        found.add("model", key, units)
    found.add("model", "output_dropout", 0.3)
    found.add("model", "sequence_length", SHORT if tokens < 200_000 else 2 * SHORT)
    found.add("training", "epochs", 20 if tokens < 1_000_000 else 10, "at most")
    found.add("training", "patience", 3, "epochs without a better dev score before it stops")
    found.add("training", "batch_size", lanes_for(tokens), LANES)
    found.add("training", "learning_rate", 0.003)
    found.add("evaluation", "metric", "bits_per_character", "the same for any vocabulary")
    return found


def lanes_for(tokens: int) -> int:
    """Number of parts of a text that a language model reads side by side."""
    return min(max(tokens // (20 * SHORT), 1), 32)


def _size(texts: list[str]) -> str:
    return f"{mean(len(text.split()) for text in texts):.0f} words on average"


def _vocabulary(rows: int) -> int:
    return 1000 if rows < 2000 else 4000 if rows < 20_000 else 8000


def _add_units(found: Proposal, rows: int, keys: Sequence[str]) -> None:
    units = 64 if rows < 20_000 else 128
    for key in keys:
        found.add("model", key, units)


def length_of(texts: list[str], language: str | None) -> int:
    """Number of subwords, about, that 95 % of the texts do not exceed, in multiples of 32."""
    unspaced = language in UNSPACED
    sizes = sorted(len(text) if unspaced else 1.6 * len(text.split()) for text in texts)
    size = sizes[int(0.95 * (len(sizes) - 1))]
    return min(max(-(-int(size) // 32) * 32, SHORT), LONG)


def _add_training(found: Proposal, rows: int, small: int = 15) -> None:
    epochs = small if rows < 5000 else 10
    found.add("training", "epochs", epochs, "at most")
    found.add("training", "patience", 3, "epochs without a better dev score before it stops")
    found.add("training", "batch_size", 32 if rows < 5000 else 64)
    found.add("training", "learning_rate", 0.003 if rows < 20_000 else 0.002)


def lines_of(proposal: Proposal) -> Iterator[str]:
    """The recipe file of a proposal, in YAML with the reasons as comments."""
    import yaml

    yield f"recipe: {proposal.recipe}"
    section = ""
    for setting in proposal.settings:
        if setting.section != section:
            section = setting.section
            yield f"\n{section}:"
        value = yaml.safe_dump(
            setting.value, default_flow_style=True, allow_unicode=True, width=10_000
        )
        indent = "  " if section else ""
        line = f"{indent}{setting.key}: {value.removesuffix(chr(10)).removesuffix(chr(10) + '...')}"
        reason = " ".join(setting.reason.split())
        yield f"{line:28} # {reason}" if reason else line

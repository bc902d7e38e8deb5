"""List word vectors, print the nearest words, or train vectors on text.

  zoo vectors ls
  zoo vectors nearest VECTORS WORD…
  zoo vectors train TEXT… --output DIR

VECTORS is a file, a folder, or a name of the list. Names are searched in $ZOO_VECTORS, in the
folder `vectors` beside $ZOO_DATA, and in $ZOO_HOME/vectors. TEXT is a file with a sentence in each
line (.txt or .txt.gz), or the name of a dataset, whose training split is read. Recipes read vectors
with model.word_vectors=VECTORS.
"""

import gzip
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.cli import output
from zoo.cli.errors import WrongUse
from zoo.suggestions import did_you_mean

EXAMPLES = """\
  zoo vectors ls
  zoo vectors nearest glove_6b_50d good terrible
  zoo vectors train nsmc ud_korean_kaist dialogue.txt --output korean --size 100
  zoo run tagging/bilstm_crf_kaist_ko_upos model.word_vectors=korean"""
NEXT = "zoo vectors ls"
MOST = 100_000  # words among which the nearest are sought


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=("ls", "nearest", "train"), help="list, print neighbours, or train"
    )
    parser.add_argument("names", metavar="NAME", nargs="*", default=[], help="see above")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="`train`: the folder to write"
    )
    parser.add_argument(
        "--count", type=int, default=8, help="`nearest`: the number of words (default 8)"
    )
    parser.add_argument("--size", type=int, default=100, help="`train`: of a vector (default 100)")
    parser.add_argument("--epochs", type=int, default=5, help="`train`: epochs (default 5)")
    parser.add_argument(
        "--min-count",
        type=int,
        default=3,
        help="`train`: occurrences from which a word has a vector (default 3)",
    )
    parser.add_argument("--lowercase", action="store_true", help="`train`: in lower case")
    parser.add_argument(
        "--language", help="`train`: of text files; en splits don't into do and n't"
    )


def run(args: Namespace) -> None:
    for name in ("count", "size", "epochs", "min_count"):
        if getattr(args, name) < 1:
            option = name.replace("_", "-")
            raise WrongUse(f"--{option} must be at least 1. Received: {getattr(args, name)}")
    {"ls": _list, "nearest": _nearest, "train": _train}[args.action](args)


def _list(args: Namespace) -> None:
    from zoo.vectors import named_vectors
    from zoo.vectors.sources import folders

    found = named_vectors()
    if not found:
        output.say(f"There are no word vectors in {', '.join(map(str, folders()))}.")
        return
    output.table(["vectors", "path"], [[name, str(path)] for name, path in found.items()])


def _nearest(args: Namespace) -> None:
    from zoo.vectors import find_vectors, read_vectors
    from zoo.vectors.training import nearest

    if len(args.names) < 2:
        raise WrongUse(
            "`zoo vectors nearest` needs vectors and one or more words.",
            hint="zoo vectors nearest glove_6b_50d good",
        )
    source, *wanted = args.names
    vectors = read_vectors(find_vectors(source), wanted, MOST)
    words = list(vectors.rows)
    for word in wanted:
        row = vectors.row(word)
        if row is None:
            output.say(f"{word}: has no vector")
            continue
        found = nearest(words, vectors.matrix, vectors.matrix[row], args.count + 1)
        others = [f"{other} {cosine:.2f}" for other, cosine in found if other != words[row]]
        print(f"{word}: {', '.join(others[: args.count])}")


def _train(args: Namespace) -> None:
    from zoo.terminal import waiting
    from zoo.vectors.training import save_vectors, train_vectors

    if not args.names or args.output is None:
        raise WrongUse(
            "`zoo vectors train` needs texts and the folder to write: TEXT… --output DIR.",
            hint="zoo vectors train nsmc --output vectors",
        )
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise WrongUse(f"--output must be a new folder. Received: {args.output}, which exists")
    sentences = [words for name in args.names for words in _sentences(name, args.language)]
    if args.lowercase:
        sentences = [[word.lower() for word in words] for words in sentences]
    count = sum(map(len, sentences))
    output.say(f"{len(sentences):,} sentences with {count:,} words")
    with waiting("training …"):
        words, vectors = train_vectors(sentences, args.size, args.epochs, args.min_count)
    save_vectors(args.output, words, vectors)
    output.say(f"{len(words):,} vectors of size {args.size}")
    print(args.output)


def _sentences(name: str, language: str | None) -> Iterator[Sequence[str]]:
    """The sentences of a file or of the training split of a dataset, as lists of words."""
    from zoo import data
    from zoo.terminal import starting

    cards = {card.name for card in data.list_datasets()}
    if name in cards:
        dataset = data.load(name)
        columns = dataset.splits["train"]
        if "tokens" in columns:
            yield from columns["tokens"]
            return
        texts = columns.get("text") or columns.get("source")
        if texts is None:
            raise WrongUse(f"The dataset `{name}` has no text to train on.", hint="zoo data ls")
        language = (dataset.languages or (None,))[0]
    elif Path(name).is_file():
        open_file = gzip.open if name.endswith(".gz") else open
        with open_file(name, "rt", encoding="utf-8") as file:
            texts = file.read().splitlines()
    else:
        raise WrongUse(
            f"There is no file and no dataset `{name}`.{did_you_mean(name, cards)}",
            hint="zoo data ls",
        )
    with starting("Starting …"):
        from zoo.tokenizers import WordTokenizer  # heavy: Keras

    tokenizer = WordTokenizer((), (), language=language)
    yield from map(tokenizer.split, texts)

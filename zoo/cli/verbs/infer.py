"""Run a model on texts, images or recordings; print one answer per line, in the inputs' order.

The inputs are arguments of the command line, the lines of --file, or the lines of stdin. They are
read in chunks, so their number is not limited. An image captioner takes paths of image files, a
speech recogniser those of audio files. A tagger also reads the sentences of a CoNLL-U file
(.conllu, .conllu.gz) and writes CoNLL-U. A language model continues its input; on a terminal the
continuation of a single one appears as it is written, and Ctrl-C ends it.
"""

import sys
from argparse import ArgumentParser, Namespace
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from zoo.checks import MAX_BATCH
from zoo.cli import backend, lines, models, output, settings
from zoo.cli.errors import WrongUse, command
from zoo.cli.readers import make_reader

EXAMPLES = """\
  zoo infer bilstm_bahdanau_sst2_en "A gripping film." "Not worth your time."
  zoo infer bilstm_bahdanau_nsmc_ko --file reviews.txt --json > answers.jsonl
  cut -f 2 reviews.tsv | zoo infer models:/quickstart@champion --backend torch
  zoo infer gru_bahdanau_multi30k_en_de "Two dogs run." --set beam=10 --set n_best=3 --json
  zoo infer gru_bahdanau_multi30k_en_de "Two dogs run." --set prefix=Zwei --set forbidden=Hunde
  zoo infer gru_bahdanau_multi30k_en_de "A man rides a bike." --glossary terms.tsv
  zoo infer gru_bahdanau_multi30k_en_de "Two dogs run." --align
  zoo infer gru_bahdanau_multi30k_en_de "Two dogs run." --set beam=6 --set groups=3 --set n_best=3
  zoo infer gru_bahdanau_multi30k_en_de "Two dogs run." --set temperature=1 --set mbr=32
  zoo infer lstm_shakespeare_char "ROMEO:" --set temperature=0.8 --set max_length=400
  zoo infer models:/slots@champion --file words.conllu > tagged.conllu
  zoo infer cnn_lstm_bahdanau_flickr8k_en photos/*.jpg --html page.html
  zoo infer bilstm_ctc_fsdd_digits_en recordings/*.wav --json
  zoo infer bilstm_ctc_fsdd_digits_en recordings/*.wav --html page.html
  zoo infer bilstm_ctc_fsdd_digits_en+gru_attention_fsdd_digits_en recordings/*.wav
  zoo infer bilstm_ctc_fsdd_digits_en recordings/*.wav --set language_model=my_lm"""
NEXT = "zoo infer --help"

BATCHES_PER_CHUNK = 16  # the model sorts the inputs of a chunk by length


def arguments(parser: ArgumentParser) -> None:
    models.add_argument(parser)
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        default=[],
        help="a text, or the path of an image or a recording",
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="read one input per line (UTF-8)")
    parser.add_argument("--json", action="store_true", help="print all fields as JSON lines")
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page of images and captions, or of players and transcripts",
    )
    settings.add_arguments(parser)
    parser.add_argument(
        "--glossary",
        type=Path,
        metavar="FILE",
        help="terms that a translation must contain: a line for each, with the source term, a tab "
        "and the target term",
    )
    parser.add_argument(
        "--align",
        action="store_true",
        help="print which words of the source those of a translation come from, as `0-0 2-1`, the "
        "places of a source and a target word; with --json the words too",
    )
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    if not 1 <= args.batch_size <= MAX_BATCH:
        raise WrongUse(
            f"--batch-size must be from 1 to {MAX_BATCH:,}. "
            f"Received: --batch-size {args.batch_size}",
            hint=NEXT,
        )
    if args.html and not args.html.resolve().parent.is_dir():
        raise WrongUse(
            f"The directory of --html must exist. Received: --html {args.html}",
            hint=command("mkdir", "-p", args.html.parent),
        )
    found = models.find(args.model, ensembles=True)
    if not found.task.pairs and (args.glossary or args.align):
        raise WrongUse(
            "--glossary and --align are for models that write a text for a text, and "
            f"`{args.model}` is a {found.task.name}. Received: "
            f"{f'--glossary {args.glossary}' if args.glossary else '--align'}",
            hint="zoo ls --task seq2seq_lm",
        )
    options = {"batch_size": args.batch_size}
    options |= settings.read(args.set, found.task.options, NEXT)
    if args.glossary:
        options["glossary"] = _glossary(args)
    settings.check(found.task, options, NEXT)
    reader = make_reader(args, found)
    chunk_size = args.batch_size * BATCHES_PER_CHUNK
    if not args.inputs and not args.file and sys.stdin.isatty():
        output.say("Type an input and press Enter; Ctrl-D ends.")
        chunk_size = 1
    model = None
    with _progress(reader.total) as advance:
        for chunk in lines.chunks(reader.inputs, chunk_size):
            if model is None:  # no input, no model
                model = models.load(found, args.backend)
                infer = partial(model.infer, **options)
            reader.answer(chunk, model, infer)
            sys.stdout.flush()
            advance(len(chunk))
    reader.finish()


def _glossary(args: Namespace) -> dict[str, str]:
    """The terms of `--glossary`."""
    from zoo.data import read_glossary

    try:
        return read_glossary(args.glossary)
    except (OSError, ValueError) as error:
        raise WrongUse(f"--glossary: {error}", hint=NEXT) from None


@contextmanager
def _progress(total: int | None):
    """A progress bar on stderr if the answers do not go to a terminal; yields its `advance`."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("done", total=total)
        yield lambda count: bar.advance(task, count)

"""Search settings of a recipe: several runs, of which the hopeless ones are stopped early.

KEY=a,b,c tries these values, KEY=low..high those between (logarithmically if the ends differ by
more than a factor of ten), KEY=value sets one for all. The dev split decides; the test split is not
looked at. The same command goes on with a sweep that was interrupted, and a higher --trials adds
to it. The runs are not registered: --seeds trains the best settings again, with several seeds, and
registers the best model.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from zoo.cli import backend, output, recipe_files
from zoo.cli.errors import WrongUse
from zoo.cli.verbs import run as run_verb

EXAMPLES = """\
  zoo sweep sentiment/quickstart model.units=16,32,64 training.learning_rate=1e-3..1e-2 --trials 6
  zoo sweep sentiment/quickstart model.units=16..64 training.epochs=5 --workers 2 --seeds 1,2,3
  zoo sweep my.yaml model.dropout=0.1..0.5 --name dropout --backend jax
  zoo sweep my.yaml model.dropout=0.1..0.5 --ray 192.168.0.10:6379 --workers 8"""
NEXT = "zoo sweep --help"
SHOWN = 10


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "recipe",
        metavar="RECIPE[/NAME]|FILE",
        help="a recipe of `zoo recipes` (NAME defaults to quickstart), or your own .yaml file",
    )
    parser.add_argument(
        "changes",
        metavar="KEY.SUB=VALUES",
        nargs="*",
        default=[],
        help="the search space, and fixed changes",
    )
    parser.add_argument(
        "--trials",
        type=_count,
        default=20,
        metavar="N",
        help="number of runs, with those of earlier commands (default: 20)",
    )
    parser.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="number of runs at a time (default: 1; with --ray one on each GPU, or machine)",
    )
    parser.add_argument(
        "--ray",
        metavar="HOST:PORT",
        help="train on the machines of a cluster of Ray; `auto` is the one that runs on this "
        "machine, `local` a new one",
    )
    parser.add_argument("--name", help="name of the sweep (default: from recipe and space)")
    parser.add_argument(
        "--seeds",
        type=run_verb.read_seeds,
        default=(),
        metavar="SEED,…",
        help="train the best settings with each seed, and register the best, such as 1,2,3",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="with --seeds: save the preset here"
    )
    parser.add_argument("--json", action="store_true", help="print the trials as JSON")
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    if args.output and not args.seeds:
        raise WrongUse("--output is for the model of --seeds.", hint="--seeds 1,2,3")
    if args.name and (not args.name[0].isalnum() or set(args.name) & set("/\\:'\"")):
        raise WrongUse(
            "The name of a sweep begins with a letter or digit, and has no / \\ : or quotes. "
            f"Received: --name {args.name}",
            hint="--name units",
        )
    file = recipe_files.find(args.recipe)
    backend.choose(args.backend)
    from zoo.training import run
    from zoo.training.sweep import sweep

    spec = file.entry_point.load()
    result = sweep(
        spec,
        file.argument,
        args.changes,
        trials=args.trials,
        workers=args.workers,
        name=args.name,
        ray=args.ray,
    )
    rows = [
        dict(zip(result.columns, values, strict=True))
        for values in zip(*result.columns.values(), strict=True)
    ]
    if args.json:
        output.print_json(
            {"sweep": result.plan.name, "run": result.run_id, "best": result.best, "trials": rows}
        )
    else:
        head = [name for name in result.columns if name != "run"]
        shown = [[row[name] for name in head] for row in rows[:SHOWN]]
        output.table(head, shown, numbers=[*head[:2], "epochs", "seconds"])
        print(f"best: {' '.join(result.best)}: {result.metric} {result.value:.4f}")
        print(f"sweep: {result.plan.name}, {len(rows)} trials, run {result.run_id}")
    if args.seeds:
        best = [*result.plan.fixed, *result.best]
        run(spec, file.argument, best, seeds=args.seeds, output=args.output, progress=False)
    elif not args.json:
        print(f"next: {result.plan.command(result.best)}, or the same sweep with --seeds 1,2,3")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise ArgumentTypeError(f"a whole number from 1 to 10,000 is needed. Received: {text}")
    return int(text)

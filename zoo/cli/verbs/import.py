# ruff: noqa: N999 (a module is named after its verb)
"""Import an LSTM, a GRU or a CRF of torch, Keras 2 or TensorFlow Addons.

The weights go into a layer of the zoo. Source and layer run on the same inputs; the largest
difference is printed, and above 1e-4 nothing is written. The file's arrays are read, no code in it
is run. Keras loads the model.keras that is written, after `import zoo.layers`.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from zoo.cli import backend, output
from zoo.cli.errors import Failure, WrongUse, command
from zoo.terminal import quiet, waiting

EXAMPLES = """\
  zoo import encoder.pt -o encoder                              (a torch.nn.LSTM or GRU)
  zoo import model.safetensors --layer encoder.rnn -o encoder
  zoo import tagger.h5 --layer bidirectional -o encoder         (Keras 2)
  zoo import model.h5 --layer lstm --layer lstm_1 -o encoder    (two layers as one stack)
  zoo import tagger.h5 --layer crf -o crf                       (tfa.layers.CRF)"""
NEXT = "zoo import --help"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="a state dict (.pt, .pth, .safetensors), or a model or weights of Keras 2 (.h5)",
    )
    parser.add_argument(
        "--layer",
        action="append",
        metavar="NAME",
        help="the layer to import: its prefix in a state dict, its name in Keras; several of these "
        "become a stack. Default: the only one in the file",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        required=True,
        help="the directory to write: model.keras and import.json, which says what it was made of",
    )
    backend.add_argument(parser)


def run(args: Namespace) -> None:
    if args.output.is_file() or (args.output.is_dir() and any(args.output.iterdir())):
        raise WrongUse(
            f"The output must be a new or empty directory. Received: --output {args.output}",
            hint=command("-o", args.output.with_name(args.output.name + "_2")),
        )
    backend.choose(args.backend)
    with quiet(), waiting(f"Importing {args.file} …"):
        from zoo import importing

        try:
            found = importing.load(args.file, args.layer)
        except importing.FileError as error:
            raise WrongUse(str(error).replace("with `layer`", "with --layer")) from None
        except importing.Disagreement as error:
            raise Failure(str(error)) from None
        path = importing.save(found, args.output)
    print(f"{args.file}: {found.source}, {_described(found.layer)}")
    for note in found.notes:
        output.say(f"zoo: warning: {note}")
    if found.left_out:
        names = [f"{name} {shape}" for name, shape in found.left_out.items()]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        print(f"left out: {', '.join(names[:8])}{more}")
    print(f"compared on the same inputs: largest difference {found.difference:.1e}")
    print(f"{path}: {type(found.layer).__name__}, {output.size(path.stat().st_size)}")
    code = f'import keras, zoo.layers; keras.saving.load_model("{path}").summary()'
    output.say(f"next: {command('python', '-c', code)}")


def _described(layer) -> str:
    if not hasattr(layer, "units"):
        return f"{layer.num_tags} tags"
    directions = ", both directions" if layer.bidirectional else ""
    layers = f"{layer.num_layers} layer{'s' if layer.num_layers > 1 else ''}"
    return f"{layers}{directions}, {layer.units} units"

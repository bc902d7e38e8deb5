"""How often a captioner of made-up scenes looks at the shape that it names.

Of each word that names the kind or the colour of a shape in the picture: whether the cell with the
greatest weight lies in the shape's box, half a cell around it included, and the share of all cells
that do, which is what looking anywhere comes to.

    zoo run captioning/quickstart
    python benchmarks/pointing.py models:/scenes@champion --backend jax
"""

import argparse
import os

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("model", help="a captioner: models:/NAME@ALIAS, or the folder of a preset")
parser.add_argument("--scenes", type=int, default=200, help="of the test split (default: 200)")
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
arguments = parser.parse_args()
os.environ["KERAS_BACKEND"] = arguments.backend

import numpy as np  # noqa: E402
from rich.progress import track  # noqa: E402

import zoo  # noqa: E402
from zoo.data.generated_scenes import draw, make_scenes  # noqa: E402

model = zoo.load(arguments.model)
looked = {"kind": [], "colour": []}  # of each word: whether it looked there, and the share of cells
for scene in track(make_scenes(0, arguments.scenes), "scenes"):
    seen = model.explain(draw(scene, model.preprocessor.size[0]))
    for token, weights in zip(seen.tokens, seen.weights, strict=True):
        rows, columns = weights.shape
        y, x = np.mgrid[0.5:rows, 0.5:columns] / np.reshape((rows, columns), (2, 1, 1))
        for shape in scene.shapes:
            word = next((w for w in looked if getattr(shape, w) == token.strip()), None)
            if word is None:
                continue
            left, top, right, bottom = shape.box
            across, down = 0.5 / columns, 0.5 / rows
            inside = (x >= left - across) & (x <= right + across)
            inside &= (y >= top - down) & (y <= bottom + down)
            looked[word].append((inside.flat[weights.argmax()], inside.mean()))
for word, found in looked.items():
    there, share = np.mean(found, axis=0)
    print(f"{word:7} {len(found):4} words  {there:6.1%} there, {share:6.1%} of all cells are")

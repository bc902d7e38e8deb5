"""Pointing game: how often a captioner of generated scenes attends to the shape that it names.

For each word that names the kind or the colour of a shape in the picture: whether the cell with the
greatest attention weight lies in the shape's bounding box, grown by half a cell, and the share of
all cells that do, which is the score of a random guess. Writes both to
`benchmarks/results/pointing_BACKEND.json`.

    zoo run captioning/quickstart
    python benchmarks/pointing.py models:/scenes@champion --backend jax
"""

import argparse
import os

from timing import write_results

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
hits = {"kind": [], "colour": []}  # for each word: whether it hits, and the share of cells
for scene in track(make_scenes(0, arguments.scenes), "scenes"):
    explained = model.explain(draw(scene, model.preprocessor.size[0]), "attention")
    for token, weights in zip(explained.tokens, explained.weights, strict=True):
        rows, columns = weights.shape
        y, x = np.mgrid[0.5:rows, 0.5:columns] / np.reshape((rows, columns), (2, 1, 1))
        for shape in scene.shapes:
            word = next((w for w in hits if getattr(shape, w) == token.strip()), None)
            if word is None:
                continue
            left, top, right, bottom = shape.box
            across, down = 0.5 / columns, 0.5 / rows
            inside = (x >= left - across) & (x <= right + across)
            inside &= (y >= top - down) & (y <= bottom + down)
            hits[word].append((inside.flat[weights.argmax()], inside.mean()))
rows = []
for word, found in hits.items():
    hit, chance = map(float, np.mean(found, axis=0))
    print(f"{word:7} {len(found):4} words  {hit:6.1%} hit, {chance:6.1%} by chance")
    rows.append({"word": word, "words": len(found), "hit": hit, "chance": chance})
write_results(f"pointing_{arguments.backend}", rows, (arguments.backend,))

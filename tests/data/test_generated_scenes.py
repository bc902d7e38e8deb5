from collections import Counter

import numpy as np
import pytest

import zoo.data
from zoo.data.dataset import splits_digest
from zoo.data.generated_scenes import COLOURS, KINDS, PLACES, describe, draw, make_scenes
from zoo.images import read_image

pytestmark = pytest.mark.once

SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def dataset():
    return zoo.data.load("generated_scenes", train=600)


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(0, 400)


def test_images_and_captions(dataset):
    assert dataset.task == "image_to_text" and dataset.labels == ()
    sizes = {split: len(columns["image"]) for split, columns in dataset.splits.items()}
    assert sizes == {"train": 600, "dev": 200, "test": 200}
    for split, columns in dataset.splits.items():
        assert list(columns) == ["image", "captions"]
        assert all(len(set(captions)) == 3 for captions in columns["captions"])
        picture = columns["image"][-1]
        assert picture.name == f"{split}_{sizes[split] - 1:05}.png"
        assert picture.read().startswith(b"\x89PNG")
        assert read_image(picture).shape == (64, 64, 3)


def test_make_scenes_gives_the_scenes_of_the_dataset(dataset):
    for split, columns in dataset.splits.items():
        made = make_scenes(0, 5, split)
        assert columns["captions"][:5] == [describe(scene) for scene in made]
        for scene, picture in zip(made, columns["image"], strict=False):
            np.testing.assert_array_equal(read_image(picture), np.asarray(draw(scene)))


def test_the_vocabulary_is_small(dataset):
    captions = [
        caption
        for columns in dataset.splits.values()
        for captions in columns["captions"]
        for caption in captions
    ]
    words = Counter(word for caption in captions for word in caption.split())
    assert len(words) == 27 and {*KINDS, *COLOURS} < set(words)
    assert max(len(caption.split()) for caption in captions) == 14
    for names in (KINDS, COLOURS, ("small", "big"), ("above", "below")):
        counts = [words[name] for name in names]
        assert min(counts) > 0.45 * max(counts)


def test_splits_share_no_caption(dataset):
    said = {
        split: {caption for captions in columns["captions"] for caption in captions}
        for split, columns in dataset.splits.items()
    }
    assert not said["train"] & said["dev"]
    assert not said["train"] & said["test"]
    assert not said["dev"] & said["test"]
    other = make_scenes(7, 300, "train")  # and the seed changes nothing of it
    assert not {describe(scene)[0] for scene in other} & (said["dev"] | said["test"])


def test_captions_are_true(scenes):
    for scene in scenes:
        first, second, third = describe(scene)
        shapes = {str(shape): shape for shape in scene.shapes}
        if len(shapes) == 1:
            (name,) = shapes
            place = first.removeprefix(f"a {name} in the ")
            x, y = PLACES[place]
            assert abs(shapes[name].x - x) < 0.1 and abs(shapes[name].y - y) < 0.1
            assert ("left" in place) == (x < 0.5 and place != "middle")
            assert ("top" in place) == (y < 0.5 and place != "middle")
            assert (second, third) == (f"there is {first}", f"in the {place} is a {name}")
            continue
        for caption in (first, second, third):
            caption = caption.removeprefix("there is ").replace("to the left", "left")
            for relation, axis, sign in (
                (" left of ", "x", 1),
                (" right of ", "x", -1),
                (" above ", "y", 1),
                (" below ", "y", -1),
            ):
                if relation in caption:
                    one, other = (shapes[part[2:]] for part in caption.split(relation))
                    assert sign * (getattr(other, axis) - getattr(one, axis)) > 0.4
                    break
            else:
                raise AssertionError(caption)


def test_a_word_refers_to_one_shape(scenes):
    pairs = [scene.shapes for scene in scenes if len(scene.shapes) == 2]
    assert 0.6 < len(pairs) / len(scenes) < 0.9
    for first, second in pairs:
        assert first.kind != second.kind and first.colour != second.colour


def test_shapes_lie_in_the_image_apart_and_are_not_small(scenes):
    for scene in scenes:
        for shape in scene.shapes:
            left, top, right, bottom = shape.box
            assert 0 <= min(left, top) and max(right, bottom) <= 1
            assert right - left == pytest.approx(bottom - top)
            assert (0.2 <= right - left <= 0.25) == (shape.size == "small")
            assert (0.34 <= right - left <= 0.39) == (shape.size == "big")
        if len(scene.shapes) == 2:
            (a, b), (c, d) = ((s.box[:2], s.box[2:]) for s in scene.shapes)
            assert max(c[0] - b[0], c[1] - b[1]) > 0.04


@pytest.mark.parametrize("size", [64, 96])
def test_the_colour_of_a_shape_is_in_its_box_and_nowhere_else(scenes, size):
    for scene in scenes[:100]:
        pixels = np.asarray(draw(scene, size)).astype(int)
        grey = np.ptp(pixels, axis=2) < 40
        inside = np.zeros((size, size), bool)
        for shape in scene.shapes:
            left, top, right, bottom = (round(edge * size) for edge in shape.box)
            box = np.s_[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1]
            inside[box] = True
            coloured = pixels[box][~grey[box]]
            assert len(coloured) > 0.25 * (right - left) ** 2
            near = np.abs(np.median(coloured, axis=0) - COLOURS[shape.colour])
            assert near.max() < 30
        assert grey[~inside].all()


def test_the_dataset_depends_on_the_seed(dataset):
    again = zoo.data.load("generated_scenes", train=600)
    assert again == dataset
    # The digest of the captions alone: the bytes of a PNG depend on Pillow's version.
    captions = {split: {"c": dataset.splits[split]["captions"]} for split in SPLITS}
    assert splits_digest(captions).startswith("a7ff9a52bf90")
    small = zoo.data.load("generated_scenes", train=20, dev=2, test=0, seed=1, size=32)
    assert list(small.splits) == ["train", "dev"] and len(small.splits["train"]["image"]) == 20
    assert read_image(small.splits["dev"]["image"][1]).shape == (32, 32, 3)
    other = zoo.data.load("generated_scenes", train=20, dev=2, test=0, size=32)
    assert small.digest != other.digest
    assert other.splits["train"]["captions"] == dataset.splits["train"]["captions"][:20]


@pytest.mark.parametrize("options", [{"train": 0}, {"dev": -3}, {"size": 8}, {"size": "large"}])
def test_sizes_are_whole_numbers(options):
    with pytest.raises(ValueError, match="whole number.*at least.*Received"):
        zoo.data.load("generated_scenes", **options)

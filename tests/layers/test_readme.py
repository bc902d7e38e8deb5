import re
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import zoo.layers

pytestmark = pytest.mark.once  # the contracts call each layer on every backend
README = Path(zoo.layers.__file__).parent / "README.md"


def test_the_snippets_run():
    snippets = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(snippets) >= 10
    names = {}
    for snippet in snippets:
        exec(compile(snippet, str(README), "exec"), names)
    # The claims of the comments in the snippets.
    assert tuple(names["states"].shape) == (2, 5, 16)
    tags = ops.convert_to_numpy(names["crf"].decode(names["potentials"], names["mask"]))
    assert not np.any((tags[:, :-1] == 0) & (tags[:, 1:] == 2))


def test_its_images_exist():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", README.read_text("utf-8"))
    assert len(pictures) >= 8
    assert all((README.parent / picture).is_file() for picture in pictures)

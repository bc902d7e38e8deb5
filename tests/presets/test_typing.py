"""Types of the public functions, as a type checker sees them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = "[mypy]\nignore_missing_imports = true\nfollow_imports = silent\n"
CODE = """
import zoo

model = zoo.load("a")
reveal_type(model.infer(["x"]))
reveal_type(model.score({"text": []}))
model.explain("x")
model.fit([])
model.infer(3)
"""


@pytest.mark.once
def test_loaded_model_has_typed_methods(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    (tmp_path / "code.py").write_text(CODE)
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    shown, errors, _ = api.run(
        [
            *("--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache")),
            str(tmp_path / "code.py"),
        ]
    )
    assert not errors
    assert 'Revealed type is "list[Any]"' in shown.replace("builtins.", "")
    assert 'Revealed type is "dict[str, float]"' in shown.replace("builtins.", "")
    assert shown.count("error:") == 1 and '"infer" of "TaskModel"' in shown

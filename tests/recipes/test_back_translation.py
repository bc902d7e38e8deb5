"""Back-translation: which texts are taken, the cache, the rows of an epoch, the tag, a run."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from recipes import translation
from recipes.translation.back_translation import COLUMN, of_epoch, with_synthetic
from recipes.translation.recipe import TranslationRecipe
from recipes.translation.schema import SyntheticConfig
from tests.recipes.test_translation import TINY, config
from tests.small_recipe import load_data
from zoo import presets
from zoo.training import run as run_recipe
from zoo.training.display import Display

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def reverse(tmp_path_factory):
    """The preset of an untrained translator."""
    recipe = TranslationRecipe(config())
    dataset = load_data(recipe.config)
    dataset = replace(dataset, languages=dataset.languages[::-1])
    model = recipe.build(dataset, recipe.prepare(dataset), "float32")
    folder = tmp_path_factory.mktemp("reverse") / "preset"
    presets.save(model, folder, name="reverse", dataset=dataset, dtype="float32")
    return folder


@pytest.fixture
def written(monkeypatch):
    """The texts that a model was asked to translate; its translations are them in capitals."""
    asked = []

    def infer(model, texts, *, batch_size=64, beam=5):
        asked.extend(texts)
        return [SimpleNamespace(text=text.upper(), score=0.0) for text in texts]

    monkeypatch.setattr("zoo.models.Seq2SeqLM.infer", infer)
    return asked


def dataset_and_texts(tmp_path, texts):
    dataset = load_data(config())
    splits = dataset.splits
    file = tmp_path / "texts.txt"
    left_out = [
        splits["train"]["target"][0],
        splits["dev"]["target"][0],
        splits["test"]["target"][0],
    ]
    file.write_text("".join(f"{text}\n" for text in [*texts, "", *left_out, "One"]), "utf-8")
    return dataset, file


def test_texts_of_the_dataset_and_repeated_ones_are_left_out(reverse, written, tmp_path, capsys):
    dataset, file = dataset_and_texts(tmp_path, ["one", "two", "three"])
    settings = SyntheticConfig(model=str(reverse), texts=str(file))
    with Display(bar=False) as display:
        train = with_synthetic(dataset, settings, 0, display).splits["train"]
    real = len(dataset.splits["train"]["source"])
    assert sorted(train["target"][real:]) == ["one", "three", "two"]
    assert train["source"][real:] == [text.upper() for text in train["target"][real:]]
    assert train[COLUMN] == [False] * real + [True] * 3
    found = capsys.readouterr().err
    assert "3 texts of" in found and "1 repeated, 1 of train, 2 of dev or test" in found
    with pytest.raises(ValueError, match="No text of data.synthetic is left"):
        only = settings.model_copy(update={"texts": str(tmp_path / "known.txt")})
        (tmp_path / "known.txt").write_text(dataset.splits["dev"]["target"][0])
        with_synthetic(dataset, only, 0, Display(bar=False))


def test_texts_are_translated_once(reverse, written, tmp_path):
    dataset, file = dataset_and_texts(tmp_path, ["one", "two", "three"])
    settings = SyntheticConfig(model=str(reverse), texts=str(file))
    with Display(bar=False) as display:
        first = with_synthetic(dataset, settings, 0, display)
        asked = len(written)
        assert with_synthetic(dataset, settings, 0, display).splits == first.splits
    assert asked == len(written) > 0


def test_rows_of_an_epoch():
    columns = {
        "source": [str(row) for row in range(20)],
        "target": [str(-row) for row in range(20)],
        COLUMN: [False] * 4 + [True] * 16,
    }
    first, again, second = (of_epoch(columns, 1.5, 0, epoch) for epoch in (0, 0, 1))
    assert first == again != second
    for one in (first, second):
        assert one[COLUMN] == [False] * 4 + [True] * 6 and len(set(one["source"])) == 10
    assert len(of_epoch(columns, 100.0, 0, 0)[COLUMN]) == 20


def test_run_on_tagged_synthetic_pairs(client, reverse, written, tmp_path):
    dataset, file = dataset_and_texts(tmp_path, [f"{n} May" for n in range(1, 31)])
    overrides = [f"data.synthetic={{model: {reverse}, texts: {file}, ratio: 0.1}}"]
    result = run_recipe(
        translation.RECIPE,
        "quickstart",
        [
            *TINY,
            *overrides,
            "training.max_steps=2",
            "evaluation.test=false",
            "evaluation.samples=0",
        ],
        progress=False,
    )
    assert np.isfinite(result.metrics["dev/loss"]) and len(written) > 30
    recipe = TranslationRecipe(config(*overrides))
    extended = recipe.extend(dataset, Display(bar=False))
    examples = recipe.examples(result.model, extended.splits["train"], 0)
    assert len(examples.lengths) == 200 + 20  # of 30
    inputs, _, _ = examples.collate(np.arange(220), 64)
    tokenizer = result.model.preprocessor.tokenizer
    is_tagged = inputs["encoder_token_ids"][:, 0] == tokenizer.start_token_id
    assert is_tagged.tolist() == [False] * 200 + [True] * 20


def test_a_model_that_does_not_translate_back_is_refused(reverse, tmp_path):
    dataset, file = dataset_and_texts(tmp_path, ["one"])
    settings = SyntheticConfig(model="bilstm_bahdanau_sst2_en", texts=str(file))
    with pytest.raises(ValueError, match="must name a Seq2SeqLM; .* a TextClassifier"):
        with_synthetic(dataset, settings, 0, Display(bar=False))
    settings = SyntheticConfig(model="gru_bahdanau_multi30k_en_de", texts=str(file))
    languages = replace(dataset, languages=("en", "de"))
    with pytest.raises(ValueError, match="from de into en, the other way round"):
        with_synthetic(languages, settings, 0, Display(bar=False))
    settings = SyntheticConfig(model=str(reverse), texts=str(tmp_path / "none.txt"))
    with pytest.raises(FileNotFoundError, match="none.txt"):
        with_synthetic(dataset, settings, 0, Display(bar=False))

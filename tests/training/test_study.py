"""Studies: each variant is run once, and all are compared."""

import pytest

from recipes import translation
from zoo.training import resolve as resolve_recipe
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint
from zoo.training.config import ConfigError, config_digest
from zoo.training.runner import _is_within
from zoo.training.study import markdown

pytestmark = pytest.mark.once

TINY = [
    "data.options={train: 100, dev: 8, test: 0}",
    "tokenizer.vocabulary_size=340",
    "model.embedding_dim=8",
    "model.units=8",
    "model.sequence_length=32",  # untrained models write until the end of it
    "training.epochs=1",
    "training.batch_size=50",
    "evaluation={metric: bleu, samples: 0}",
    "tracking.register_as=null",
]
VARIANTS = "variants={none: [model.attention=none], general: [model.attention=luong_general]}"


def study(*overrides):
    return run_recipe(translation.RECIPE, "quickstart", [*TINY, *overrides], progress=False)


def test_variants_are_run_once_and_compared(client, capsys):
    result = study(VARIANTS)
    assert result.columns["variant"] == ["none", "general"]
    assert result.columns["parameters"][0] != result.columns["parameters"][1]
    assert all(len(values) == 2 for values in result.columns.values())
    runs = client.search_runs(
        [client.get_run(result.run_id).info.experiment_id], f"tags.study = '{result.study}'"
    )
    assert sorted(run.info.run_name for run in runs) == ["general", "none", "quickstart"]
    assert all("mlflow.parentRunId" not in run.data.tags for run in runs)
    artifacts = {item.path for item in client.list_artifacts(result.run_id)}
    assert {"study.json", "study.md", "figures"} <= artifacts
    assert "| variant" in capsys.readouterr().out

    # With one more variant, only that one is trained.
    more = study(VARIANTS.replace("}", ", deep: [model.attention=none, model.num_layers=2]}"))
    assert more.study == result.study and more.columns["variant"][2] == "deep"
    output = capsys.readouterr().out
    assert output.count("already finished") == 2
    for name in ("parameters", "bleu", "chrf"):
        assert more.columns[name][:2] == result.columns[name]


def test_variants_with_other_seeds_hold_out_the_same_rows(client, tmp_path, monkeypatch):
    file = tmp_path / "pairs.tsv"
    rows = "".join(f"{word} {i}\t{i}\n" for i in range(40) for word in ("one", "two"))
    file.write_text(f"source\ttarget\n{rows}", "utf-8")
    held = []

    def run_one(spec, label, config, *others):
        held.append(config.data.load(config.seed).splits["dev"]["source"])
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.training.runner._run_one", run_one)
    for seed in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            study(f"data={{name: null, train: {file}}}", f"variants={{other: [seed={seed}]}}")
    assert held[0] == held[1]


def test_interrupted_variant_is_resumed(client, home, monkeypatch):
    import zoo.training.loop

    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(zoo.training.loop._Steps, "on_epoch_end", stop)
        with pytest.raises(Stop):
            study(VARIANTS, "training.checkpoint_every=1")
    (folder,) = (home / "checkpoints").iterdir()
    manifest = Checkpoint(folder.name).read_manifest()
    digest, backend = manifest.digest, manifest.backend
    assert Checkpoint.of(manifest.config, digest, backend).run_id == folder.name
    assert Checkpoint.of(manifest.config, digest, "another backend") is None
    assert Checkpoint.of(manifest.config | {"seed": 99}, digest, backend) is None
    assert Checkpoint.of(manifest.config, "other data", backend) is None
    result = study(VARIANTS, "training.checkpoint_every=1")
    run = client.get_run(manifest.run_id)
    assert run.info.status == "FINISHED" and run.data.tags["study"] == result.study


def test_mistakes_in_a_variant_are_reported_before_training(client, tmp_path):
    with pytest.raises(ConfigError, match="luong_general"):
        study("variants={good: [], bad: [model.attention=luong_genral]}")
    with pytest.raises(ConfigError, match="leave out --output"):
        run_recipe(translation.RECIPE, "quickstart", [*TINY, VARIANTS], output=tmp_path / "x")
    assert not client.search_runs([e.experiment_id for e in client.search_experiments()])


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ("{a: [data.options.seed=2]}", "variants.a: variants cannot change data"),
        ("{a: [model.unit=2], b: [model.cell=x]}", r"(?s)variants.a: .*units.*variants.b: "),
        ('{"a b": []}', "variants"),
    ],
)
def test_invalid_variants(variants, message):
    with pytest.raises(ConfigError, match=message):
        study(f"variants={variants}")


def test_config_digest(client, home):
    config = resolve_recipe(translation.RECIPE, "quickstart", TINY).model_dump()
    digest = config_digest(config, "data", "torch")
    assert digest == config_digest(config | {"description": "another"}, "data", "torch")
    assert digest != config_digest(config, "other data", "torch")
    assert digest != config_digest(config | {"seed": 9}, "data", "torch")
    broken = home / "checkpoints" / "broken"
    broken.mkdir(parents=True)
    (broken / "state.npz").touch()
    (broken / "recipe.yaml").write_text("another: version")
    assert Checkpoint.of(config, "data", "torch") is None


def test_table_in_markdown():
    text = markdown({"variant": ["a"], "parameters": [1234567], "bleu": [1.5]})
    head, rule, row = text.splitlines()
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["a", "1,234,567", "1.5"]
    assert set(rule) <= set("|-: ") and "parameters" in head


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("data", True),
        ("data.name", True),
        (" data.name ", True),
        ("database", False),
        ("seed", False),
    ],
)
def test_a_key_is_within_a_section_by_whole_names(key, expected):
    assert _is_within(key, ("data", "tracking")) is expected

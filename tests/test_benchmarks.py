"""Results of benchmarks, and the tables of the manuals that are made of them."""

import json
import time

import pytest

from benchmarks import tables, timing

pytestmark = pytest.mark.once


def test_tables_of_the_manuals_are_those_of_the_results():
    paths = [path.relative_to(tables.ROOT).as_posix() for path in tables.outdated()]
    assert not paths, f"run `python -m benchmarks.tables`: {paths} are out of date"


def test_speeds_are_relative_to_the_first_contestant():
    calls = []

    def work(name, seconds):
        def run():
            calls.append(name)
            end = time.process_time() + seconds
            while time.process_time() < end:
                pass

        return run

    row = timing.measure({"slow": work("slow", 0.02), "fast": work("fast", 0.01)}, 3, 5, "tokens")
    assert calls == ["slow", "fast"] * (3 + timing.WARM_UP)  # in turns
    slow, fast = row["contestants"]["slow"], row["contestants"]["fast"]
    assert row["unit"] == "tokens" and slow["ratio"] == 1.0
    assert fast["ratio"] == pytest.approx(slow["seconds"] / fast["seconds"], rel=1e-2)
    assert fast["per_second"] == pytest.approx(5 / fast["seconds"], rel=1e-3)
    assert fast["quartiles"][0] <= fast["seconds"] <= fast["quartiles"][1]


def test_an_exponent_is_the_slope_of_logarithms():
    sizes = [1, 2, 4, 8]
    assert timing.exponent(sizes, [3 * size**1.5 for size in sizes]) == (1.5, 0.0)
    slope, error = timing.exponent(sizes, [1, 2.2, 3.6, 8.8])
    assert slope == pytest.approx(1.012, abs=2e-3) and error == pytest.approx(0.076, abs=2e-3)


def test_a_table_of_exponents_and_one_of_many_texts(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    row = {"model": "m", "what": "train", "size": "batch", "points": [{"share_of_peak": 0.42}]}
    row |= {"time_exponent": [0.9, 0.02], "memory_exponent": [1.0, 0.1]}
    timing.write_results("scaling_jax", [row])
    assert tables._markdown("scaling").splitlines()[2:4] == [
        "| `m`, train, by batch | – | – | 0.90 ± 0.02 (1.00 ± 0.10) |",
        "| `m`, train, share of the peak | – | – | 42% |",
    ]
    row["memory_exponent"] = [1.0, 1.1]  # no line through the points
    timing.write_results("scaling_jax", [row])
    assert "| – | – | 0.90 ± 0.02 |" in tables._markdown("scaling")
    rows = [
        {"texts": n, "megabytes": 500 + n // 1000, "most_megabytes": 600, "texts_per_second": 4000}
        for n in (1000, 5000, 10000)
    ]
    timing.write_results("many_texts_torch", rows)
    found = tables._markdown("many_texts").splitlines()[2]
    assert found == "| torch | 10,000 | 4,000 | 501 MB | 510 MB | 600 MB |"


def test_a_table_of_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    found = {"plain torch": {"per_second": 1234.5, "ratio": 1.0}}
    found["zoo"] = {"per_second": 2469.0, "ratio": 2.0}
    file = timing.write_results("language_model_step_jax", [{"contestants": found}], ("jax",))
    facts = json.loads(file.read_text("utf-8"))
    assert facts["machine"]["cores_used"] == timing.cores() and "jax" in facts["versions"]
    assert tables._markdown("language_model_step").splitlines()[:5] == [
        "|  | plain torch | zoo | ratio |",
        "| --- | --- | --- | --- |",
        "| torch | – | – | – |",
        "| TensorFlow | – | – | – |",
        "| JAX | 1,234 | 2,469 | 2.00 |",
    ]
    with pytest.raises(ValueError, match="There is no benchmarks/results/serving_"):
        tables._markdown("serving")
    with pytest.raises(ValueError, match="Received: results of speeds"):
        tables._markdown("speeds")

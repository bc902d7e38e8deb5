"""Writes the tables of measurements in the manuals from the files in `benchmarks/results`.

    python -m benchmarks.tables           # writes
    python -m benchmarks.tables --check   # says which manuals are out of date

A table stands between `<!-- results of NAME -->` and `<!-- end of results -->`, where the name is
that of a function below. What is not measured on a backend is shown as –.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BACKENDS = {"torch": "torch", "tensorflow": "TensorFlow", "jax": "JAX"}
BLOCK = re.compile(r"(<!-- results of (\w+) -->\n)(.*?)(<!-- end of results -->)", re.DOTALL)
NONE = "–"
LARGEST_ERROR = 0.2  # of an exponent of memory


def translation(results) -> list[list[str]]:
    """Training and greedy search by model, as speed relative to plain torch."""
    header = [f"{what}: {title}" for what in ("train", "decode") for title in BACKENDS.values()]
    models = dict.fromkeys(row["model"] for facts in results.values() for row in facts["rows"])
    return [["", *header]] + [
        [
            f"`{model}`",
            *(
                _ratio(results, backend, "zoo", model=model, what=what)
                for what in ("train", "decode")
                for backend in BACKENDS
            ),
        ]
        for model in models
    ]


def layers(results) -> list[list[str]]:
    """Time of a training step relative to native torch; in brackets Keras' masked layers."""
    cases = {
        (row["cell"], row["steps"], row["bidirectional"])
        for facts in results.values()
        for row in facts["rows"]
    }
    table = [["", *BACKENDS.values()]]
    for cell, steps, both in sorted(cases, reverse=True, key=lambda it: (it[0], -it[1], not it[2])):
        case = {"cell": cell, "steps": steps, "bidirectional": both}
        cells = []
        for backend in BACKENDS:
            ours, stock = (
                _ratio(results, backend, name, inverse=True, **case)
                for name in ("zoo", "stock Keras")
            )
            cells.append(f"{ours} ({stock})" if ours != NONE else NONE)
        name = f"{cell.upper()}, {steps} steps{', bidirectional' if both else ''}"
        table.append([name, *cells])
    return table


def decoding(results) -> list[list[str]]:
    """Tokens per second of searches, with the ratio to the first contestant in brackets."""
    table = [["", *BACKENDS.values()]]
    for beam in (1, 5):
        for batch in (1, 64):
            name = "greedy" if beam == 1 else f"beam of {beam}"
            name += ", one sentence" if batch == 1 else f", {batch} sentences"
            speeds = (_speed(results, b, "zoo", beam=beam, batch=batch) for b in BACKENDS)
            table.append([name, *speeds])
    return table


def language_model_step(results) -> list[list[str]]:
    """Tokens per second of a training step, beside plain torch."""
    table = [["", "plain torch", "zoo", "ratio"]]
    for backend, title in BACKENDS.items():
        speeds = [_number(results, backend, name, "per_second") for name in ("plain torch", "zoo")]
        table.append([title, *speeds, _ratio(results, backend, "zoo")])
    return table


def language_model(results) -> list[list[str]]:
    """Tokens per second of a continuation, with the ratio to the plain loop in brackets."""
    names = ("plain loop", "infer", "stream", "keras_hub generate")
    table = [["", *names]]
    for backend, title in BACKENDS.items():
        plain, *others = names
        speeds = (_speed(results, backend, name) for name in others)
        table.append([title, _number(results, backend, plain, "per_second"), *speeds])
    return table


def serving(results) -> list[list[str]]:
    """Requests per second and latency by number of clients, beside MLflow's server."""
    latency = "median, 99th percentile"
    table = [["", "clients", "requests/s", latency, "MLflow: requests/s", latency, "ratio"]]
    for backend, title in BACKENDS.items():
        for row in results.get(backend, {"rows": []})["rows"]:
            cells = []
            for found in row["contestants"].values():
                cells.append(f"{found['requests_per_second']:,.0f}")
                cells.append(f"{found['p50_ms']:.1f}, {found['p99_ms']:.1f} ms")
            table.append([title, str(row["clients"]), *cells, f"{row['ratio']:.1f}"])
            title = ""
    return table


def latency(results) -> list[list[str]]:
    """Milliseconds to answer one text, and texts per second of many."""
    cases = {(it["task"], it["model"]) for facts in results.values() for it in facts["rows"]}
    table = [["", *BACKENDS.values()]]
    for task, model in sorted(cases):
        cells = []
        for backend in BACKENDS:
            rows = (it for it in results.get(backend, {"rows": []})["rows"] if it["task"] == task)
            found = {row["texts"]: row["contestants"]["zoo"] for row in rows}
            if 1 not in found:
                cells.append(NONE)
                continue
            many = found[max(found)]["per_second"]
            cells.append(f"{1000 * found[1]['seconds']:.1f} ms, {many:,.0f}/s")
        table.append([f"{task} `{model}`", *cells])
    return table


def cold_start(results) -> list[list[str]]:
    """Seconds until a new process has answered, with the multiple of the imports' in brackets."""
    table = [["", *BACKENDS.values()]]
    for name in ("imports", "zoo.load", "zoo infer"):
        cells = []
        for backend in BACKENDS:
            found = _found(results, backend, name)
            cell = NONE if found is None else f"{found['seconds']:.1f} s"
            if found and name != "imports":
                cell += f" ({1 / found['ratio']:.2f} ×)"
            cells.append(cell)
        table.append([name if name == "imports" else f"`{name}`", *cells])
    return table


def scaling(results) -> list[list[str]]:
    """Exponents of time, in brackets of memory, by the size that grows; the share of the peak."""
    rows = {
        backend: {(row["model"], row["what"], row["size"]): row for row in facts["rows"]}
        for backend, facts in results.items()
    }
    table, shares = [["", *BACKENDS.values()]], []
    for curve in dict.fromkeys(curve for found in rows.values() for curve in found):
        measured = [rows.get(backend, {}).get(curve) for backend in BACKENDS]
        model, what, size = curve
        table.append([f"`{model}`, {what}, by {size}", *map(_exponents, measured)])
        if (what, size) == ("train", "batch"):
            cells = [row and f"{row['points'][-1]['share_of_peak']:.0%}" for row in measured]
            title = f"`{model}`, train, share of the peak"
            shares.append([title, *(cell or NONE for cell in cells)])
    return table + shares


def _exponents(row):
    if row is None:
        return NONE
    slope, error = row["time_exponent"]
    time = f"{slope:.2f} ± {error:.2f}"
    slope, error = row.get("memory_exponent", (0, math.inf))
    grows = slope >= 0 and error <= LARGEST_ERROR  # else the allocator reused what it held
    return f"{time} ({slope:.2f} ± {error:.2f})" if grows else time


def many_texts(results) -> list[list[str]]:
    """Texts per second, and the memory of the process after a tenth and at the end."""
    table = [["", "texts", "texts/s", "memory after a tenth", "at the end", "at most"]]
    for backend, title in BACKENDS.items():
        if backend in results:
            first, *_, last = results[backend]["rows"]
            memory = first["megabytes"], last["megabytes"], last["most_megabytes"]
            numbers = last["texts"], last["texts_per_second"]
            table.append([title, *(f"{it:,}" for it in numbers), *(f"{it:,} MB" for it in memory)])
    return table


TABLES: dict[str, Callable] = {
    table.__name__: table
    for table in (
        translation,
        layers,
        decoding,
        language_model_step,
        language_model,
        serving,
        latency,
        cold_start,
        scaling,
        many_texts,
    )
}


def outdated() -> dict[Path, str]:
    """The manuals whose tables differ from the results, and their right texts."""
    changed = {}
    for path in (p for top in ("docs", "recipes", "zoo") for p in (ROOT / top).rglob("*.md")):
        text = path.read_text("utf-8")
        right = BLOCK.sub(lambda it: f"{it[1]}{_markdown(it[2])}{it[4]}", text)
        if right != text:
            changed[path] = right
    return changed


def _markdown(name):
    """A table with the machine below."""
    if name not in TABLES:
        raise ValueError(f"A table is one of {', '.join(TABLES)}. Received: results of {name}")
    results = _read(name)
    if not results:
        raise ValueError(f"There is no benchmarks/results/{name}_*.json for: results of {name}")
    header, *rows = TABLES[name](results)
    lines = [header, ["---"] * len(header), *rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join([*lines, "", _machine(results.values()), ""])


def _read(name):
    """The results of a benchmark by backend."""
    files = {backend: RESULTS / f"{name}_{backend}.json" for backend in BACKENDS}
    return {
        backend: json.loads(file.read_text("utf-8"))
        for backend, file in files.items()
        if file.exists()
    }


def _machine(results: Iterable[dict]) -> str:
    """Where and with which versions it was measured."""
    machines: dict[str, None] = {}  # an ordered set
    versions: dict[str, str] = {}
    for facts in results:
        machine = facts["machine"]
        used = f"{machine['cores_used']} of {machine['cores']} cores, {machine['clock']}"
        machines[f"{machine['processor']}, {used}"] = None
        versions |= facts["versions"]
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"({'; '.join(machines)}; {shown})"


def _found(results, backend, contestant, **case):
    """The measurements of a contestant, or `None`."""
    for row in results.get(backend, {"rows": []})["rows"]:
        if all(row[key] == value for key, value in case.items()):
            return row["contestants"].get(contestant)
    return None


def _number(results, backend, contestant, key, **case):
    found = _found(results, backend, contestant, **case)
    return NONE if found is None else f"{found[key]:,.0f}"


def _ratio(results, backend, contestant, inverse=False, **case):
    """The speed relative to that of the reference; with `inverse` the time."""
    found = _found(results, backend, contestant, **case)
    if found is None:
        return NONE
    return f"{1 / found['ratio'] if inverse else found['ratio']:.2f}"


def _speed(results, backend, contestant, **case):
    """Units per second, with the ratio to the reference."""
    found = _found(results, backend, contestant, **case)
    return NONE if found is None else f"{found['per_second']:,.0f} ({found['ratio']:.1f} ×)"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if out of date")
    arguments = parser.parse_args()
    for path, text in (changed := outdated()).items():
        print(f"{path.relative_to(ROOT)} {'is out of date' if arguments.check else 'written'}")
        if not arguments.check:
            path.write_text(text, "utf-8")
    return int(arguments.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())

"""A dataset as MLflow logs it: its name, its digest and a few rows."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mlflow.entities import Dataset as TrackedDataset
from mlflow.entities import DatasetInput, InputTag

if TYPE_CHECKING:
    from zoo.data import Dataset, DatasetCard

SAMPLE_ROWS = 5
SAMPLE_CHARACTERS = 2000  # of a text: a row of a language model may be a book


def short_digest(dataset: "Dataset") -> str:
    """The first 12 digits of the digest, for tables; a tag of the run has all of it."""
    return dataset.digest[:12]


def facts(dataset: "Dataset") -> dict[str, Any]:
    """Identity, licence and number of rows of a dataset."""
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "languages": list(dataset.languages),
        "rows": {
            split: len(next(iter(columns.values()), []))
            for split, columns in dataset.splits.items()
        },
    }


def samples(dataset: "Dataset") -> dict[str, dict[str, list]]:
    """The first few rows of each split, and of long texts the beginning."""

    def beginning(value):
        return value[:SAMPLE_CHARACTERS] if isinstance(value, str) else value

    return {
        split: {
            name: list(map(beginning, values[:SAMPLE_ROWS])) for name, values in columns.items()
        }
        for split, columns in dataset.splits.items()
    }


def published_input(card: "DatasetCard") -> DatasetInput:
    """A named dataset that is not loaded, as an MLflow entity that can be linked to a run."""
    known = {
        "name": card.name,
        "licence": card.licence,
        "citation": card.citation,
        "homepage": card.homepage,
        "languages": list(card.languages),
        "rows": card.splits,
    }
    digest = hashlib.sha256(json.dumps(card.digests, sort_keys=True).encode()).hexdigest()
    entity = TrackedDataset(
        name=card.name,
        digest=digest[:12],
        source_type="zoo",
        source=json.dumps(known, ensure_ascii=False),
        profile=json.dumps({split: rows for split, rows in card.splits.items() if rows}),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", ", ".join(card.splits))])


def dataset_input(dataset: "Dataset") -> DatasetInput:
    """The dataset as an MLflow entity that can be linked to a run."""
    known = facts(dataset)
    rows = known["rows"]
    columns = next(iter(dataset.splits.values()), {})
    schema = [{"type": "string", "name": name} for name in columns]
    entity = TrackedDataset(
        name=dataset.name,
        digest=short_digest(dataset),
        source_type="zoo",
        source=json.dumps(known, ensure_ascii=False),
        schema=json.dumps({"mlflow_colspec": schema}),
        profile=json.dumps({"num_rows": sum(rows.values()), **rows}),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", ", ".join(rows))])

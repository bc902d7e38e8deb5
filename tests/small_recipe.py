"""The sentiment quickstart made small, and the data of a configuration."""

SMALL = [
    "data.options={train: 200, dev: 40, test: 20}",
    "tokenizer.vocabulary_size=400",
    "model.embedding_dim=6",
    "model.units=5",
    "training.epochs=2",
    "training.batch_size=16",
    "training.buckets=1",
    "evaluation.gate=null",
    "evaluation.test=false",
    "evaluation.samples=0",
]


def load_data(config):
    """The data of a resolved configuration."""
    return config.data.load(config.seed)

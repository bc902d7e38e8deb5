"""Records the answers that every backend must give: `python -m tests.contracts`."""

import json

from tests.contracts import test_layers
from tests.contracts.test_models import COMBINATIONS, EXPECTED, TEXTS, known_logits, make
from zoo.models import TextClassifierPreprocessor
from zoo.tokenizers import train_subword_tokenizer

tokenizer = train_subword_tokenizer(TEXTS * 20, 330)
preprocessor = TextClassifierPreprocessor(tokenizer, sequence_length=32)
answers = {
    f"{encoder}-{pooling}": known_logits(make(preprocessor, encoder, pooling)).round(7).tolist()
    for encoder, pooling in COMBINATIONS
}
EXPECTED.write_text(json.dumps(answers, indent=1) + "\n")

lines = [
    f" {json.dumps(name)}: "
    + json.dumps([x.ravel().round(6).tolist() for x in test_layers.known_answers(case)])
    for name, case in test_layers.CASES.items()
]
test_layers.EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")

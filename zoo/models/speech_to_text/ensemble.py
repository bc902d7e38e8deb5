"""Ensembles: several recognisers that transcribe a recording together."""

from collections.abc import Sequence

from zoo.models.checks import require_preprocessor
from zoo.models.generation.ensemble import check_members, differences_of_tokenizers
from zoo.models.speech_to_text.task import SpeechToText
from zoo.models.speech_to_text.writing import TranscriptWriter


class TranscriptEnsemble(TranscriptWriter):
    """Recognisers of any architectures and heads that write one transcript.

    At each character the mean of the probabilities of all decoders counts, and the mean of those
    of all CTC heads, as of a model with both: the weight of CTC is the mean of the members', that
    of a CTC head alone being 1, and of a decoder alone 0. Members may have different frame rates,
    because the probabilities of CTC are those of the next character, see
    `zoo.models.speech_to_text.joint.joint_step`. All options of `infer` and `score` are those of
    `SpeechToText`, without a coverage penalty, because the members attend to steps of their own.

    Args:
        members: At least two `SpeechToText`s with the same alphabet, list of words and sampling
            rate.

    Raises:
        ValueError: if there are fewer, or they differ in one of these.

    Example:

    >>> model = zoo.load("bilstm_ctc_fsdd_digits_en+gru_attention_fsdd_digits_en")
    >>> model.infer(["digits.wav"])
    """

    has_attention = False  # that all share
    coverage_rule = "is for one recogniser: those of an ensemble attend to steps of their own"

    def __init__(self, members: Sequence[SpeechToText]):
        self._members = check_members(members, SpeechToText, "transcribe recordings", _differences)
        self.preprocessor = self._members[0].preprocessor

    def members(self):
        return self._members


def _differences(one: SpeechToText, other: SpeechToText):
    first, second = map(require_preprocessor, (one.preprocessor, other.preprocessor))
    if first.sampling_rate != second.sampling_rate:
        yield "sampling rate", first.sampling_rate, second.sampling_rate
    yield from differences_of_tokenizers("alphabet", first.tokenizer, second.tokenizer)
    lists = [sorted(it.words or ()) for it in (first, second)]
    if lists[0] != lists[1]:
        yield "list of words", *(f"{words!r:.80}" for words in lists)

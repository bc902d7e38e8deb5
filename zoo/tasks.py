"""Table of the tasks: one row per folder of `zoo.models`.

Code outside `zoo.models` that depends on the task (the command line, MLflow, model cards, export,
listing, loading) reads this table. Importing it imports neither Keras nor any other library; a row
names classes and functions as `"module:Name"`, which `pkgutil.resolve_name` imports.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Literal

from zoo.checks import MAX_BATCH, MAX_BEAM, MAX_CACHE, MAX_LENGTH
from zoo.sampling_options import SAMPLING_BOUNDS, SamplingOptions
from zoo.search_options import SEARCH_BOUNDS, SearchOptions, TranscriptionOptions


@dataclass(frozen=True)
class Column:
    """A column of a user's file.

    Attributes:
        argument: The argument of the task's `read_file` that selects the column.
        default: Its default value.
        in_datasets: Whether `zoo.data.load` takes the same argument for named datasets of the task.
            Defaults to `False`.
    """

    argument: str
    default: str
    in_datasets: bool = False


@dataclass(frozen=True)
class Option:
    """An option of a model's `infer` or `score`.

    Attributes:
        type: Its type in an MLflow signature.
        default: Its default value.
        minimum: The smallest value. Defaults to `None`: of a string.
        maximum: The largest value. Defaults to `None`: of a string.
    """

    type: Literal["long", "double", "string", "boolean"]
    default: int | float | str | bool | None
    minimum: int | float | None = None
    maximum: int | float | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task.

    Attributes:
        name: The name on a card: the folder in `zoo.models`.
        model: The task model, such as `"zoo.models.text_classifier.task:TextClassifier"`.
        answer: The dataclass of which `infer` returns a list.
        input: What `infer` takes a list of: texts, sentences split into words (or texts),
            images, or recordings.
        input_name: Key of the input beside the answer in the JSON of `zoo infer`.
        read_file: The function of `zoo.data` that reads a user's file into the columns of
            `score`.
        input_column: The column to read; `None` if the format of the file determines it.
        target_column: The column of the references; `None` if the inputs are scored themselves.
        language_options: The options of `zoo.data.load` that take the model's languages, in
            order. Defaults to none.
        outputs: The fields of an answer, with their types in an MLflow signature. Nested fields
            are JSON strings.
        optional_outputs: Those that `to_dict` of an answer leaves out if they are `None`. Defaults
            to none.
        options: The options of `infer`.
        options_class: The class that checks the options of `infer` together, but for `batch_size`.
            Defaults to `None`: each is checked by itself.
        score_options: The options of `score` that `zoo eval --set` takes. Defaults to none.
        plain: The fields that `zoo infer` prints before the input.
        plain_pairs: Two fields that `zoo infer` prints as pairs (`The/DET cat/NOUN`) in place of
            the input. Defaults to `None`.
        pipeline_tag: The task's name on Hugging Face.
        headline: The metrics by which models are compared; the first that was measured counts.
        streams: Whether the answer continues the input, and the model's `stream` yields it in
            pieces. Defaults to `False`.
        pipeline_tags: The name on Hugging Face of models whose headline metric is another than the
            first. Defaults to `{}`: the same.
        pairs: Whether the model writes a text for a text, so that there are glossaries, and `align`
            for the words of both. Defaults to `False`.
        ensemble: The class of several models that answer together, such as
            `"zoo.models.seq2seq_lm.ensemble:Ensemble"`. Defaults to `None`: there is none.
        export_adapter: The `zoo.exporting.adapters.ExportAdapter` of the task. Defaults to `None`:
            it cannot be exported.
    """

    name: str
    model: str
    answer: str
    input: Literal["text", "words", "image", "audio"]
    input_name: str
    read_file: str
    input_column: Column | None
    target_column: Column | None
    language_options: tuple[str, ...] = ()
    outputs: Mapping[str, str]
    optional_outputs: tuple[str, ...] = ()
    options: Mapping[str, Option]
    options_class: type | None = None
    score_options: Mapping[str, Option] = field(default_factory=dict)
    plain: tuple[str, ...]
    plain_pairs: tuple[str, str] | None = None
    pipeline_tag: str
    headline: tuple[str, ...]
    streams: bool = False
    pipeline_tags: Mapping[str, str] = field(default_factory=dict)
    pairs: bool = False
    ensemble: str | None = None
    export_adapter: str | None = None

    def pipeline_tag_of(self, metrics: Iterable[str]) -> str:
        """The name on Hugging Face of a model with these metrics, such as `"test/rouge_l"`."""
        measured = {name.rpartition("/")[2] for name in metrics}
        first = next((name for name in self.headline if name in measured), None)
        return self.pipeline_tags.get(first or "", self.pipeline_tag)

    @property
    def inputs_name(self) -> str:
        """The inputs in a message: `"texts"`, `"sentences"`, `"images"` or `"recordings"`."""
        return _INPUTS_NAMES[self.input]


_INPUTS_NAMES = {
    "text": "texts",
    "words": "sentences",
    "image": "images",
    "audio": "recordings",
}
BATCH_SIZE = Option("long", 64, 1, MAX_BATCH)
_TYPES: dict[type, Literal["double", "string"]] = {float: "double", str: "string", tuple: "string"}


def _search_options(options: SearchOptions) -> dict[str, Option]:
    """The options of a search, with their defaults."""
    return {
        name: Option(
            _TYPES.get(type(value if value is not None else SEARCH_BOUNDS[name][0]), "long"),
            "" if value == () else value,
            *SEARCH_BOUNDS.get(name, ()),
        )
        for name, value in asdict(options).items()
    } | {"batch_size": BATCH_SIZE}


SEARCH_OPTIONS = _search_options(SearchOptions())
TRANSCRIPTION_OPTIONS = _search_options(TranscriptionOptions())
SAMPLING_OPTIONS = {
    name: Option("double" if isinstance(value, float) else "long", value, *SAMPLING_BOUNDS[name])
    for name, value in asdict(SamplingOptions()).items()
} | {"batch_size": BATCH_SIZE}
GENERATION = {"text": "string", "score": "double", "hypotheses": "string"}

_ROWS = (
    Task(
        name="causal_lm",
        model="zoo.models.causal_lm.task:CausalLM",
        answer="zoo.models.causal_lm.answers:Continuation",
        input="text",
        input_name="prefix",
        read_file="zoo.data:read_texts",
        input_column=Column("text", "text"),
        target_column=None,
        outputs={"text": "string", "score": "double", "num_tokens": "long", "finish": "string"},
        options=SAMPLING_OPTIONS,
        options_class=SamplingOptions,
        score_options={
            "cache": Option("boolean", False),
            "cache_size": Option("long", None, 1, MAX_CACHE),
            "cache_theta": Option("double", None, 0, 1000),
            "cache_lambda": Option("double", None, 0, 1),
            "dynamic": Option("boolean", False),
            "dynamic_rate": Option("double", 0.1, 0, 1000),
            "dynamic_decay": Option("double", 0.001, 0, 1),
            "dynamic_segment": Option("long", 20, 1, MAX_LENGTH),
        },
        plain=("text",),
        pipeline_tag="text-generation",
        headline=("perplexity",),
        streams=True,
    ),
    Task(
        name="image_to_text",
        model="zoo.models.image_to_text.task:ImageToText",
        answer="zoo.models.image_to_text.task:Caption",
        input="image",
        input_name="image",
        read_file="zoo.data:read_captioned",
        input_column=Column("image", "image"),
        target_column=Column("caption", "caption"),
        outputs=GENERATION,
        options=SEARCH_OPTIONS,
        options_class=SearchOptions,
        plain=("text", "score"),
        pipeline_tag="image-to-text",
        headline=("bleu_4",),
        ensemble="zoo.models.image_to_text.ensemble:CaptionEnsemble",
        export_adapter="zoo.exporting.writers:Captioner",
    ),
    Task(
        name="seq2seq_lm",
        model="zoo.models.seq2seq_lm.task:Seq2SeqLM",
        answer="zoo.models.seq2seq_lm.writing:Translation",
        input="text",
        input_name="source",
        read_file="zoo.data:read_parallel",
        input_column=Column("source", "source"),
        target_column=Column("target", "target"),
        language_options=("source", "target"),
        outputs=GENERATION,
        options=SEARCH_OPTIONS,
        options_class=SearchOptions,
        plain=("text", "score"),
        pipeline_tag="translation",
        headline=("word_error_rate", "bleu", "rouge_l", "chrf"),
        pipeline_tags={"rouge_l": "summarization", "chrf": "text-generation"},
        pairs=True,
        ensemble="zoo.models.seq2seq_lm.ensemble:Ensemble",
        export_adapter="zoo.exporting.writers:Translator",
    ),
    Task(
        name="speech_to_text",
        model="zoo.models.speech_to_text.task:SpeechToText",
        answer="zoo.models.speech_to_text.answers:Transcription",
        input="audio",
        input_name="audio",
        read_file="zoo.data:read_transcribed",
        input_column=Column("audio", "audio"),
        target_column=Column("text", "text"),
        outputs={"text": "string", "score": "double", "words": "string", "hypotheses": "string"},
        options=TRANSCRIPTION_OPTIONS,
        options_class=TranscriptionOptions,
        score_options={
            name: TRANSCRIPTION_OPTIONS[name]
            for name in (
                *("beam", "words", "ctc_weight", "language_model", "language_model_weight"),
                *("temperature", "top_k", "top_p", "seed", "mbr"),
            )
        },
        plain=("text", "score"),
        pipeline_tag="automatic-speech-recognition",
        headline=("wer",),
        ensemble="zoo.models.speech_to_text.ensemble:TranscriptEnsemble",
    ),
    Task(
        name="text_classifier",
        model="zoo.models.text_classifier.task:TextClassifier",
        answer="zoo.models.text_classifier.answers:Classification",
        input="text",
        input_name="text",
        read_file="zoo.data:read_labelled",
        input_column=Column("text", "text"),
        target_column=Column("label", "label"),
        outputs={"label": "string", "probability": "double", "probabilities": "string"},
        options={"batch_size": BATCH_SIZE},
        plain=("label", "probability"),
        pipeline_tag="text-classification",
        headline=("accuracy",),
        export_adapter="zoo.exporting.adapters:Classifier",
    ),
    Task(
        name="token_classifier",
        model="zoo.models.token_classifier.task:TokenClassifier",
        answer="zoo.models.token_classifier.answers:Tagging",
        input="words",
        input_name="text",
        read_file="zoo.data:read_tagged",
        input_column=None,
        target_column=Column("column", "upos", in_datasets=True),
        outputs={
            "tokens": "string",
            "tags": "string",
            "confidences": "string",
            "spans": "string",
            "intent": "string",
            "hypotheses": "string",
            "separator": "string",
            "referents": "string",
        },
        optional_outputs=("intent", "hypotheses", "separator", "referents"),
        options={"n_best": Option("long", 1, 1, MAX_BEAM), "batch_size": BATCH_SIZE},
        plain=("intent",),
        plain_pairs=("tokens", "tags"),
        pipeline_tag="token-classification",
        headline=("f1_conlleval", "token_accuracy", "sentence_accuracy"),
        export_adapter="zoo.exporting.adapters:Tagger",
    ),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ROWS})


def task_of(model_class: type) -> Task | None:
    """The task of a model's class, or `None` for a class that is not in the table."""
    path = f"{model_class.__module__}:{model_class.__qualname__}"
    return next((task for task in _ROWS if task.model == path), None)

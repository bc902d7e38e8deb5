"""Search for transcripts by the heads of one recogniser or several, and a language model."""

from zoo.decoding.programs import built_once
from zoo.models.checks import require_preprocessor
from zoo.models.generation.minimum_risk import fewer_word_errors
from zoo.models.generation.search import TextSearch
from zoo.models.speech_to_text.joint import joint_step
from zoo.models.speech_to_text.language_model import LanguageModel
from zoo.search_options import TranscriptionOptions


class TranscriptSearch(TextSearch):
    """Search by all heads of the members, which are `SpeechToText`s."""

    utility = staticmethod(fewer_word_errors)
    length_penalty = 0.0  # a recording determines the length of its text

    @property
    def ctc_share(self) -> float:
        """The weight of CTC in a search: the mean of the members', where there are several."""
        shares = [
            1.0 if not it.has_decoder else 0.0 if it.ctc is None else it.ctc_weight
            for it in self.members()
        ]
        return sum(shares) / len(shares)

    def decoding(self, encoder_inputs, max_length, options=None):
        started = [member.start_heads(encoder_inputs, max_length) for member in self.members()]
        decoders, heads, (mask, *_) = zip(*started, strict=True)
        return *joint_step(
            [one for one in decoders if one is not None],
            [one for one in heads if one is not None],
            self.preprocessor.tokenizer.end_token_id,
            self.ctc_share if options is None or options.ctc_weight is None else options.ctc_weight,
            self._fused(options, mask.shape[0], max_length),
        ), mask

    def _searching(self, encoder_inputs, max_length, options=None):
        return *self.decoding(encoder_inputs, max_length, options), False

    def layers_of(self, options):
        language_model = self._language_model(options)
        return self.members() + ([] if language_model is None else [language_model.model])

    def _fused(self, options, batch, max_length):
        """The language model of `joint_step`, or `None`."""
        language_model = self._language_model(options)
        if language_model is None:
            return None
        state = language_model.start(batch, max_length)
        return language_model.step, state, options.language_model_weight

    def _language_model(self, options) -> LanguageModel | None:
        """The language model that options name; it is loaded once."""
        if options is None or not options.language_model:
            return None
        name, known = options.language_model, self._language_models
        if name not in known:
            known.setdefault(name, LanguageModel.of(name, self.preprocessor.tokenizer))
        return known[name]

    @built_once
    def _language_models(self):
        return {}

    def default_max_length(self, audio, audio_length):
        """That of the decoders; of CTC alone the steps of the longest encoder, and the end."""
        limits = [it.preprocessor.sequence_length for it in self.members() if it.has_decoder]
        if limits:
            return min(limits)
        return max(it.backbone.num_steps(audio.shape[1]) for it in self.members()) + 1

    def _options(self, search) -> TranscriptionOptions:
        require_preprocessor(self.preprocessor)
        options, members = TranscriptionOptions(**search), self.members()
        has_both = any(it.has_decoder for it in members) and any(
            it.ctc is not None for it in members
        )
        if options.ctc_weight is not None and not has_both:
            raise ValueError(
                "`ctc_weight` is for models with a decoder and CTC: leave it out. "
                f"Received: ctc_weight={options.ctc_weight}, "
                f"{', '.join(f'head={it.backbone.head!r}' for it in members)}"
            )
        return options

    def _tables(self, options):
        tables = super()._tables(options)
        lexicon = self.preprocessor.lexicon(options.words)
        if lexicon is not None:
            if not lexicon.begins(tables.get("prefix", ())):
                raise ValueError(
                    "`prefix` must consist of words of the list, of which the last may lack its "
                    "end: choose another one, or words='none'. "
                    f"Received: prefix={options.prefix!r}, words={options.words!r:.200}"
                )
            size = self.members()[0].backbone.vocabulary_size
            tables["lexicon"] = lexicon.table(size, self.preprocessor.tokenizer.end_token_id)
        return tables

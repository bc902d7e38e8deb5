"""Parts of a tagger as models of their own, which share its weights."""

import keras


def head_of(model) -> keras.Model:
    """The part from the hidden states of words, and the padding mask, to the outputs.

    Args:
        model: A `TokenClassifier`. Where it points at words, the attention weights take the place
            of the states.
    """
    return keras.Model([model.states, model.backbone.input["padding_mask"]], model.output)


def after_language_models(model) -> keras.Model:
    """The part after the language models, whose states at the words are an input.

    For training: the states are the same in each epoch, as the language models are frozen.

    Args:
        model: A `TokenClassifier` with language models.

    Returns:
        A model with the input `text_states`, `[batch, words, units of the language models]`, in
        place of `text_ids` and `text_places`.
    """
    known = model.backbone.input | {"text_states": model.backbone.text_states}
    known = {name: known[name] for name in known if name not in ("text_ids", "text_places")}
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in known.items()
    }
    hidden = keras.Model(list(known.values()), model.hidden)(list(inputs.values()))
    return keras.Model(inputs, head_of(model)([hidden, inputs["padding_mask"]]))

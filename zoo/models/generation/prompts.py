"""Continuation of prompts by a sampler of KerasHub, as its `generate` does it."""

from keras import ops


def continue_prompts(task, next, prompts, mask, state, stop_token_ids=None):
    """The prompts with what the task's sampler writes after them.

    Args:
        task: The task, whose `sampler` chooses the tokens.
        next: Function of the tokens, the state and an index that returns the logits of the token
            there, the hidden states, and the new state.
        prompts: int32 `[batch, time]`, with room for what is written.
        mask: bool `[batch, time]`, true on the tokens of the prompts, which the sampler keeps.
        state: The state before the first token.
        stop_token_ids: Ids of tokens that end a text. Defaults to `None`: none does.

    Returns:
        The tokens, int32 `[batch, time]`, and a mask of them, true up to the first token that ends
        a text.
    """
    token_ids = task.sampler(
        next=next, prompt=prompts, cache=state, index=1, mask=mask,
        stop_token_ids=stop_token_ids, model=task,
    )  # fmt: skip
    stops = ops.zeros_like(mask)
    for stop in stop_token_ids or ():
        stops = ops.logical_or(stops, ops.logical_and(token_ids == stop, ~mask))
    after = ops.cumsum(ops.cast(stops, "int32"), axis=1) - ops.cast(stops, "int32")
    return token_ids, after == 0

"""Cross-entropy of tokens on torch, with a gradient that is computed in place.

Logits over a vocabulary are the largest tensor of a training step. Automatic differentiation
allocates three more of their size: zeros for the gradient of the target's log-probability, the
gradient of the mean for label smoothing, and the gradient of the logits. Here the last one takes
the place of the log-probabilities, and there are no others.
"""

import torch
from torch.autograd.function import once_differentiable


class TokenCrossentropyFunction(torch.autograd.Function):
    """Cross-entropy of each row, float `[rows]`; the gradient can be computed once.

    Call arguments:
        logits: Float tensor `[rows, vocabulary]`.
        truth: Int64 tensor `[rows]`.
        label_smoothing: float. Share of the target probability spread over the vocabulary.
    """

    @staticmethod
    def forward(ctx, logits, truth, label_smoothing):
        log_probabilities = torch.log_softmax(logits, dim=-1)
        ctx.save_for_backward(log_probabilities, truth)
        ctx.label_smoothing = label_smoothing
        losses = -log_probabilities.gather(1, truth[:, None])[:, 0]
        if label_smoothing:
            losses = losses.mul_(1 - label_smoothing)
            losses -= label_smoothing * log_probabilities.mean(dim=-1)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        log_probabilities, truth = ctx.saved_tensors
        gradient = gradient[:, None]  # [rows, 1]
        smoothing = ctx.label_smoothing
        probabilities = log_probabilities.exp_()
        uniform = -smoothing / probabilities.shape[1] * gradient
        # (p - (1 - smoothing) * truth - smoothing / vocabulary) * gradient
        result = torch.addcmul(uniform, probabilities, gradient, out=probabilities)
        result.scatter_add_(1, truth[:, None], (smoothing - 1) * gradient)
        return result, None, None

"""Adam on torch by its fused kernel, after clipping all gradients together."""

import keras
import torch

# As in the kernel `1 - beta**step` is 1: Keras' learning rate has the correction already.
_CORRECTED = 1e9


class FusedAdam(type(keras.optimizers.Adam())):  # type: ignore[misc] # Keras' class on torch
    """`keras.optimizers.Adam` whose step is one pass over the weights in place of nine.

    The moments, the weight decay and the place of epsilon are those of Keras: `alpha m / (√v + ε)`
    (Kingma and Ba 2015, the last line of section 2). In a step that `torch.compile` traces, Keras'
    own operations run, which it fuses.
    """

    def _clip_gradients(self, grads):
        if not self.global_clipnorm or torch.compiler.is_compiling():
            return super()._clip_gradients(grads)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        scale = torch.clamp(self.global_clipnorm / norm, max=1.0) + (norm - norm)  # NaN if infinite
        torch._foreach_mul_(grads, scale)
        return grads

    def _parallel_update_step(self, grads, variables, learning_rate):
        if torch.compiler.is_compiling():
            super()._parallel_update_step(grads, variables, learning_rate)
            return
        indices = [self._get_variable_index(variable) for variable in variables]
        weights = [variable.value.detach() for variable in variables]
        means, variances = (
            [moments[index].value for index in indices]
            for moments in (self._momentums, self._velocities)
        )
        tensors = weights, list(grads), means, variances
        dtype = weights[0].dtype
        plain = all(it.is_contiguous() and it.dtype == dtype for many in tensors for it in many)
        if self.amsgrad or not plain:
            super()._parallel_update_step(grads, variables, learning_rate)
            return
        step = (self.iterations + 1).to(torch.float32)
        rate = learning_rate * torch.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        steps = [step.new_tensor(_CORRECTED)] * len(weights)
        torch._fused_adam_(
            *tensors,
            [],  # of AMSGrad
            steps,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            weight_decay=0.0,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )

"""Other ways to compute torch functions that are slow on CPUs, without gradients.

Products by oneDNN, which uses AVX-512 on processors of any maker; torch multiplies float32 by MKL,
which on those of AMD does not. `tanh` by `sigmoid`, which torch computes ten times faster, and
`logsumexp` by `log_softmax`, three times.
"""

import re

import torch

# Fewest multiplications of a product, and fewest elements of a `tanh` or `logsumexp`, for which the
# other way, whose overhead is larger, is faster.
MIN_PRODUCTS = 1 << 19
MIN_ELEMENTS = 1 << 13

# "btu,uv->btv", "btnh,nhu->btu": the last axes of a tensor with the first ones of another.
_PRODUCT = re.compile(r"(\w+?)(\w+),\2(\w+)->\1\3")


def faster(function, args, kwargs):
    """The fastest function with the same result up to rounding, often the function itself.

    The rounding error of `tanh` is absolute, so that results near zero lose digits.
    """
    other, applies, names = _OTHERS.get(function, (function, None, ()))
    applies = applies and names >= kwargs.keys() and applies(*args, **kwargs)
    return other if applies else function


def matmul(x, kernel, bias=None):
    """`x @ kernel + bias` of a tensor and a matrix."""
    return torch.ops.mkldnn._linear_pointwise(x, kernel.mT, bias, "none", [], "")


def linear(x, weight, bias=None):
    """`x @ weight.mT + bias` of a tensor and a matrix."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def einsum(equation, x, kernel):
    """Sums of products over the last axes of a tensor and the first axes of another."""
    count = len(_PRODUCT.fullmatch(equation)[2])
    rows = x.flatten(-count)
    results = matmul(rows, kernel.reshape(rows.shape[-1], -1))
    return results.reshape(*rows.shape[:-1], *kernel.shape[count:])


def tanh(x):
    """`2 * sigmoid(2 * x) - 1`, which differs from the hyperbolic tangent by at most 2e-7."""
    return torch.mul(x, 2).sigmoid_().mul_(2).sub_(1)


def logsumexp(x, dim, keepdim=False):
    """The logarithm of the sum of exponentials."""
    largest = x.amax(dim, keepdim)
    # The largest log-probability is the largest number less the result.
    result = largest - torch.log_softmax(x, dim).amax(dim, keepdim)
    return torch.where(largest.isinf(), largest, result)


def _is_large_product(x, kernel, bias=None):
    """True for the product with a matrix that oneDNN computes faster."""
    return (
        kernel.ndim == 2
        and x.ndim > 1
        and kernel.shape[1] >= 8
        and x.numel() > 2 * x.shape[-1]
        and x.numel() * kernel.shape[1] >= MIN_PRODUCTS
        and _has_onednn()
        and _is_plain(x)
        and _is_plain(kernel)
    )


def _is_large_linear(x, weight, bias=None):
    return weight.ndim == 2 and _is_large_product(x, weight.mT)


def _is_large_einsum(equation, *tensors):
    found = _PRODUCT.fullmatch(equation)
    if found is None or len(tensors) != 2:
        return False
    x, kernel = tensors
    count = len(found[2])
    if x.shape[-count:] != kernel.shape[:count]:  # axes of size 1, which torch repeats
        return False
    return _is_large_product(x.flatten(-count), kernel.flatten(count).flatten(0, -2))


def _is_large(x):
    return x.numel() >= MIN_ELEMENTS and _is_plain(x)


def _is_large_last_axis(x, dim, keepdim=False):
    return dim in (-1, x.ndim - 1) and _is_large(x)


def _has_onednn():
    """True if torch has the products by oneDNN, and they are not switched off."""
    mkldnn = torch.backends.mkldnn
    has_products = mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return has_products and mkldnn.enabled


def _is_plain(x):
    return x.dtype == torch.float32 and x.device.type == "cpu"


# For each function the other one, the condition on the arguments under which it is faster, and the
# names that the arguments may have.
_OTHERS = {
    torch.matmul: (matmul, _is_large_product, set()),
    torch.nn.functional.linear: (linear, _is_large_linear, set()),
    torch.einsum: (einsum, _is_large_einsum, set()),
    torch.tanh: (tanh, _is_large, set()),
    torch.Tensor.tanh: (tanh, _is_large, set()),
    torch.logsumexp: (logsumexp, _is_large_last_axis, {"dim", "keepdim"}),
}

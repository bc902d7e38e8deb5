"""What torch computes slowly is computed in another way, with the same results."""

import keras
import numpy as np
import pytest

if keras.config.backend() != "torch":
    pytest.skip("The kernels are for torch only.", allow_module_level=True)

import torch
from torch.nn.functional import linear

from zoo.decoding import torch_kernels


def normal(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator)


LARGE = {
    "matmul": (torch.matmul, normal(64, 128), normal(128, 100)),
    "matmul of sequences": (torch.matmul, normal(4, 16, 128), normal(128, 100)),
    "linear": (linear, normal(64, 128), normal(100, 128), normal(100)),
    "einsum": (torch.einsum, "btu,uv->btv", normal(4, 16, 128), normal(128, 100)),
    "into heads": (torch.einsum, "btu,unh->btnh", normal(4, 16, 128), normal(128, 4, 25)),
    "out of heads": (torch.einsum, "btnh,nhu->btu", normal(4, 16, 4, 25), normal(4, 25, 128)),
    "tanh": (torch.tanh, 3 * normal(10, 1000)),
    "logsumexp": (torch.logsumexp, 3 * normal(10, 1000), -1, True),
    "logsumexp of lowered logits": (torch.logsumexp, 30 * normal(10, 1000).sign() - 1e5, 1),
}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN")
@pytest.mark.parametrize("case", LARGE)
def test_another_function_has_the_same_results(case):
    function, *arguments = LARGE[case]
    with torch.inference_mode():
        other = torch_kernels.faster(function, arguments, {})
        assert other is not function
        expected, found = function(*arguments), other(*arguments)
    assert found.shape == expected.shape
    close = {"rtol": 0, "atol": 2.5e-7} if case == "tanh" else {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(found.numpy(), expected.numpy(), **close)


def test_logsumexp_of_infinite_numbers():
    x = normal(4, 4000)
    x[0], x[1, :7], x[2, 5] = -np.inf, -np.inf, np.inf
    found = torch_kernels.faster(torch.logsumexp, (x, -1), {})(x, -1)
    np.testing.assert_allclose(found.numpy(), torch.logsumexp(x, -1).numpy(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_products_are_left_to_torch_without_onednn():
    arguments = LARGE["linear"][1:]
    with torch.backends.mkldnn.flags(enabled=False):
        assert torch_kernels.faster(linear, arguments, {}) is linear


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (torch.matmul, (normal(2, 500), normal(500, 1000))),  # bound by memory
        (torch.matmul, (normal(8, 8), normal(8, 8))),
        (torch.matmul, (normal(64, 128).double(), normal(128, 100).double())),
        (torch.matmul, (normal(4, 64, 64), normal(4, 64, 64))),  # not a matrix
        (torch.einsum, ("bts,bsu->btu", normal(4, 64, 64), normal(4, 64, 64))),
        (torch.einsum, ("btsu,ux->btsx", normal(4, 8, 64, 256), normal(256, 1))),
        (torch.einsum, ("btu,uv->btv", normal(64, 600, 1), normal(20, 100))),  # repeats an axis
        (torch.tanh, (normal(8, 8),)),
        (torch.logsumexp, (normal(100, 100), 0)),
        (torch.sigmoid, (normal(100, 100),)),
    ],
)
def test_other_arguments_are_left_to_torch(function, arguments):
    assert torch_kernels.faster(function, arguments, {}) is function
    assert torch_kernels.faster(torch.tanh, [normal(100, 100)], {"out": None}) is torch.tanh

"""Quick dropout on torch: the values, gradients and rates of torch's own."""

import keras
import numpy as np
import pytest

if keras.config.backend() != "torch":
    pytest.skip("torch's own dropout", allow_module_level=True)

import torch

from zoo.training import loop
from zoo.training.torch_dropout import quick_dropout


def dropped(values, rate, seed=0, **options):
    torch.manual_seed(seed)
    with quick_dropout():
        return torch.nn.functional.dropout(values, rate, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.9])
def test_values_are_zero_or_scaled_as_in_torch(rate, dtype):
    values = torch.linspace(1, 2, 90_003, dtype=getattr(torch, dtype)).reshape(-1, 3)
    found = dropped(values, rate)
    assert found.dtype == values.dtype and found.shape == values.shape
    is_kept = found != 0
    expected = values / (1 - rate) * is_kept
    tolerance = 0.02 if dtype == "bfloat16" else 2e-4  # rates are multiples of 2⁻¹⁶
    np.testing.assert_allclose(found.float(), expected.float(), rtol=tolerance)
    torch.manual_seed(0)
    share = (torch.nn.functional.dropout(values, rate) != 0).double().mean()
    deviation = (rate * (1 - rate) / values.numel()) ** 0.5
    assert abs(is_kept.double().mean() - (1 - rate)) < 4 * deviation
    assert abs(share - (1 - rate)) < 4 * deviation


def test_elements_that_share_a_number_are_independent():
    kept = (dropped(torch.ones(40_000, 8), 0.5) != 0).double()
    both = kept.T @ kept / len(kept)  # how often two places of a row are kept together
    expected = torch.full((8, 8), 0.25, dtype=torch.float64).fill_diagonal_(0.5)
    np.testing.assert_allclose(both, expected, atol=0.012)


def test_gradients_are_dropped_as_the_values_are():
    values = torch.ones(50, 7, requires_grad=True)
    found = dropped(values, 0.4)
    found.sum().backward()
    assert torch.equal(values.grad, found.detach()) and 0 < (found != 0).sum() < 350


def test_masks_follow_the_seed_and_differ_from_call_to_call():
    values = torch.ones(100)
    torch.manual_seed(3)
    with quick_dropout():
        first, second = (torch.nn.functional.dropout(values, 0.5) for _ in range(2))
    assert torch.equal(first, dropped(values, 0.5, seed=3)) and not torch.equal(first, second)


def test_what_is_not_training_on_a_cpu_is_left_to_torch():
    values = torch.ones(64)
    assert torch.equal(dropped(values, 0.5, training=False), values)
    assert torch.equal(dropped(values, 0.0), values)
    assert not dropped(values, 1.0).any()
    assert dropped(values.to("meta"), 0.5).device.type == "meta"
    inplace = torch.ones(64)
    assert dropped(inplace, 0.5, inplace=True) is inplace


def test_recipes_train_with_it():
    original = torch.nn.functional.dropout
    with loop._dropout():
        assert torch.nn.functional.dropout is not original


def test_keras_uses_it_within_the_block_alone():
    original = torch.nn.functional.dropout
    layer = keras.layers.Dropout(0.25)
    torch.manual_seed(0)
    with quick_dropout():
        assert torch.nn.functional.dropout is not original
        found = layer(torch.ones(1000, 4), training=True)
    assert torch.equal(found, dropped(torch.ones(1000, 4), 0.25))
    assert torch.nn.functional.dropout is original
    with pytest.raises(ZeroDivisionError), quick_dropout():
        _ = 1 / 0
    assert torch.nn.functional.dropout is original

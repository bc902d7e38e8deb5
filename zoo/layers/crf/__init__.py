"""Linear-chain conditional random fields."""

from zoo.layers.crf.layer import LinearChainCRF
from zoo.layers.crf.loss import CRFLoss

__all__ = ["CRFLoss", "LinearChainCRF"]

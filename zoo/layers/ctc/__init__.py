"""Connectionist temporal classification (CTC)."""

from zoo.layers.ctc.head import CTCHead
from zoo.layers.ctc.likelihood import ctc_log_likelihood
from zoo.layers.ctc.loss import CTCLoss

__all__ = ["CTCHead", "CTCLoss", "ctc_log_likelihood"]

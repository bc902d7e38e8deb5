"""Keras layers for sequences: attention, recurrence, decoders, CRF. Needs `keras` alone."""

from zoo.layers.adaptive_embedding import AdaptiveEmbedding
from zoo.layers.attention import (
    Attention,
    BahdanauAttention,
    LuongConcatAttention,
    LuongDotAttention,
    LuongGeneralAttention,
    LuongLocalAttention,
    MultiHeadAttention,
    ScaledDotProductAttention,
)
from zoo.layers.characters import CharacterFeatures
from zoo.layers.copying import PointerGenerator
from zoo.layers.crf import LinearChainCRF
from zoo.layers.ctc import CTCHead, CTCLoss, ctc_log_likelihood
from zoo.layers.decoder import AttentiveDecoder
from zoo.layers.frame_stacking import FrameStacking
from zoo.layers.log_mel import LogMel
from zoo.layers.past_attention import PastAttention
from zoo.layers.pointing import WordPointer
from zoo.layers.pooling import SequencePooling
from zoo.layers.recurrent import RecurrentEncoder
from zoo.layers.spec_augment import SpecAugment
from zoo.layers.spectrogram_convolution import SpectrogramConvolution
from zoo.layers.transformer import CausalTransformer, TransformerDecoder
from zoo.tags import bio_constraints

__all__ = [
    "AdaptiveEmbedding",
    "Attention",
    "AttentiveDecoder",
    "BahdanauAttention",
    "CTCHead",
    "CTCLoss",
    "CausalTransformer",
    "CharacterFeatures",
    "FrameStacking",
    "LinearChainCRF",
    "LogMel",
    "LuongConcatAttention",
    "LuongDotAttention",
    "LuongGeneralAttention",
    "LuongLocalAttention",
    "MultiHeadAttention",
    "PastAttention",
    "PointerGenerator",
    "RecurrentEncoder",
    "ScaledDotProductAttention",
    "SequencePooling",
    "SpecAugment",
    "SpectrogramConvolution",
    "TransformerDecoder",
    "WordPointer",
    "bio_constraints",
    "ctc_log_likelihood",
]

"""Operations of ONNX Runtime's own domain that a model may use: fused and quantised arithmetic.

The standard domains hold only arithmetic and are allowed whole. `com.microsoft` is not a
standard, so it is an allow-list: what is not here is refused.
"""

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MICROSOFT = "com.microsoft"
_MICROSOFT = """
Attention BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu BifurcationDetector
ConvTransposeWithDynamicPads DecoderMaskedMultiHeadAttention DequantizeLinear
DynamicQuantizeLSTM DynamicQuantizeMatMul EmbedLayerNormalization ExpandDims FastGelu
FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatedRelativePositionBias
GatherBlockQuantized GatherND Gelu GemmFastGelu GreedySearch GridSample GroupNorm
GroupQueryAttention Inverse Irfft LongformerAttention MatMulInteger16 MatMulIntegerToFloat
MatMulNBits MulInteger MultiHeadAttention MurmurHash3 NGramRepeatBlock NhwcConv
NhwcFusedConv NhwcMaxPool PackedAttention PackedMultiHeadAttention Pad QAttention QGemm
QLinearAdd QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool
QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid QLinearSoftmax QLinearWhere
QMoE QOrderedAttention QOrderedGelu QOrderedLayerNormalization QOrderedMatMul
QuantizeLinear QuantizeWithOrder QuickGelu Range ReduceSumInteger RelativePositionBias
RemovePadding RestorePadding Rfft RotaryEmbedding SampleOp SimplifiedLayerNormalization
SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization
SparseToDenseMatMul Tokenizer TorchEmbedding TransposeMatMul Trilu Unique WordConvEmbedding
"""
MICROSOFT_OPS = frozenset(_MICROSOFT.split())

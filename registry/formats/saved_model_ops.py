"""TensorFlow operations that a served model may use: arithmetic, shapes, control flow, text.

An allow-list: what is not here is refused. Left out on purpose, whatever they look like: all
that touches files (ReadFile, WholeFileReaderV2, MatchingFiles, ImmutableConst, PrintV2,
LoadAndRemapMatrix, InitializeTableFromTextFileV2), runs foreign code (PyFunc, XlaCallModule),
talks to others (Send, Recv, RemoteCall, Rpc), keeps state across calls (queues, stacks, mutable
tables, stages), trains, or kills the process (Abort). `tests/formats` checks the names against
TensorFlow's own registry.
"""

_ARITHMETIC = """
Abs AccumulateNV2 Acos Acosh Add AddN AddV2 All Angle Any ApproximateEqual ArgMax ArgMin Asin
Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2 BatchMatMulV3 BesselI0 BesselI0e BesselI1
BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1 BesselK1e BesselY0 BesselY1 Betainc
Bincount BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil CheckNumerics CheckNumericsV2
Cholesky ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp
Dawsn DenseBincount Digamma Div DivNoNan Einsum Equal Erf Erfc Erfinv EuclideanNorm Exp Expint
Expm1 FFT FFT2D FFT3D Floor FloorDiv FloorMod FresnelCos FresnelSin Greater GreaterEqual
HistogramFixedWidth IFFT IFFT2D IFFT3D IRFFT IRFFT2D IRFFT3D Igamma Igammac Imag Inv Invert
IsFinite IsInf IsNan L2Loss LeftShift Less LessEqual Lgamma LinSpace Log Log1p
LogMatrixDeterminant LogicalAnd LogicalNot LogicalOr Lu MatMul MatrixDeterminant
MatrixExponential MatrixInverse MatrixLogarithm MatrixSolve MatrixSolveLs MatrixSquareRoot
MatrixTriangularSolve Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual
Polygamma PopulationCount Pow Prod Qr RFFT RFFT2D RFFT3D Real RealDiv Reciprocal RightShift Rint
Round Rsqrt SelfAdjointEigV2 Sigmoid Sign Sin Sinh Spence Sqrt Square SquaredDifference Sub Sum
Svd Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta
"""
_LAYERS = """
AvgPool AvgPool3D BiasAdd BiasAddV1 BlockLSTM BlockLSTMV2 Conv Conv2D Conv2DBackpropInput
Conv2DBackpropInputV2 Conv3D Conv3DBackpropInputV2 DepthwiseConv2dNative Dilation2D Elu
FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
FractionalAvgPool FractionalMaxPool FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
GRUBlockCell InTopK InTopKV2 LRN LSTMBlockCell LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2
MaxPoolWithArgmax Relu Relu6 Selu Softmax Softplus Softsign _FusedConv2D _FusedMatMul
Dequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2
QuantizedConv2D QuantizedMatMul QuantizedRelu Requantize
"""
_SHAPES = """
ApproxTopK BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastTo Concat ConcatOffset
ConcatV2 Const DataFormatDimMap DataFormatVecPermute DeepCopy DepthToSpace Diag DiagPart
DynamicPartition DynamicStitch Empty EnsureShape ExpandDims ExtractImagePatches
ExtractVolumePatches Fill Gather GatherNd GatherV2 GuaranteeConst Identity IdentityN
InvertPermutation ListDiff LowerBound MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2
MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3
MirrorPad NthElement OneHot OnesLike Pack Pad PadV2 ParallelConcat ParallelDynamicStitch
Placeholder PlaceholderV2 PlaceholderWithDefault PreventGradient Range Rank Reshape Reverse
ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd SegmentMax SegmentMaxV2
SegmentMean SegmentMin SegmentMinV2 SegmentProd SegmentProdV2 SegmentSum SegmentSumV2 Select
SelectV2 Shape ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV
Squeeze StopGradient StridedSlice TensorScatterAdd TensorScatterMax TensorScatterMin
TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TopK TopKV2 Transpose Unique
UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex UnsortedSegmentMax
UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound Where ZerosLike
"""
_CONTROL = """
Assert Case ControlTrigger Enter Exit FakeParam If LoopCond MapDefun Merge NextIteration NoOp
PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile Switch While
EmptyTensorList TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayReadV3
TensorArrayScatterV3 TensorArraySizeV3 TensorArraySplitV3 TensorArrayV3 TensorArrayWriteV3
TensorListConcat TensorListConcatLists TensorListConcatV2 TensorListElementShape
TensorListFromTensor TensorListGather TensorListGetItem TensorListLength TensorListPopBack
TensorListPushBack TensorListPushBackBatch TensorListReserve TensorListResize TensorListScatter
TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit
TensorListStack
"""
_VARIABLES = """
Assign AssignAddVariableOp AssignSubVariableOp AssignVariableOp DisableCopyOnRead
IsVariableInitialized ReadVariableOp ResourceGather ResourceGatherNd VarHandleOp
VarIsInitializedOp Variable VariableShape VariableV2
HashTable HashTableV2 InitializeTable InitializeTableV2 LookupTableExportV2 LookupTableFind
LookupTableFindV2 LookupTableImport LookupTableImportV2 LookupTableSize LookupTableSizeV2
"""
_RANDOM = """
Multinomial RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt
StatelessMultinomial StatelessRandomBinomial StatelessRandomGammaV2 StatelessRandomGetAlg
StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
StatelessRandomNormalV2 StatelessRandomPoisson StatelessRandomUniform
StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformInt
StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal
StatelessTruncatedNormalV2 TruncatedNormal
"""
_TEXT = """
AsString DecodeBase64 DecodeRaw EncodeBase64 RaggedBincount RaggedCross
RaggedFillEmptyRows RaggedGather RaggedRange RaggedTensorFromVariant RaggedTensorToSparse
RaggedTensorToTensor RaggedTensorToVariant ReduceJoin RegexFullMatch RegexReplace
StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower
StringNGrams StringSplit StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast
StringToHashBucketStrong StringToNumber StringUpper Substr UnicodeDecode
UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript UnicodeTranscode UnsortedSegmentJoin
ParseExample ParseExampleV2 ParseSingleExample
"""
_SPARSE = """
DeserializeSparse SerializeSparse SparseAdd SparseConcat SparseCross SparseCrossHashed
SparseCrossV2 SparseDenseCwiseAdd SparseDenseCwiseDiv SparseDenseCwiseMul SparseFillEmptyRows
SparseMatMul SparseReduceMax SparseReduceSum SparseReorder SparseReshape SparseSegmentMean
SparseSegmentMeanWithNumSegments SparseSegmentSqrtN SparseSegmentSqrtNWithNumSegments
SparseSegmentSum SparseSegmentSumWithNumSegments SparseSlice SparseSoftmax SparseSplit
SparseTensorDenseAdd SparseTensorDenseMatMul SparseToDense
"""
_IMAGES = """
AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize DecodeBmp
DecodeImage DecodeJpeg DecodePng HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3
NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4
NonMaxSuppressionV5 RGBToHSV ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor
ScaleAndTranslate
"""

_GROUPS = (_ARITHMETIC, _LAYERS, _SHAPES, _CONTROL, _VARIABLES, _RANDOM, _TEXT, _SPARSE, _IMAGES)
SERVING = frozenset(name for group in _GROUPS for name in group.split())
# Run once while a model is loaded; `saved_model_assets` sees to it that the file is an asset.
INITIALISING = SERVING | {"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"}
# Run while a model is loaded, on the path that the loader gives.
RESTORING = SERVING | {"RestoreV2"}
# In every SavedModel, and never run by serving.
SAVING = RESTORING | {"MergeV2Checkpoints", "SaveV2", "ShardedFilename"}

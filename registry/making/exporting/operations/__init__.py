"""What each operation of ONNX is in TensorFlow, by the standard's own definition of it
(https://onnx.ai/onnx/operators, opset 13 and later).

A function gets its node and the inputs, None for those left out. A value that is known while the
graph is built is an array of numpy; everything else is a tensor.
"""

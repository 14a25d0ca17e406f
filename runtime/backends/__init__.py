"""The engines behind one protocol: ONNX models and TensorFlow SavedModels."""

"""The dialects over gRPC: TensorFlow Serving's, the Open Inference Protocol's, and health.

Nothing outside this package imports grpc or protobuf, and nothing in it is imported unless
`grpcListen` is configured: neither costs a host that speaks HTTP alone anything.
"""

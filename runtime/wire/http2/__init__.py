"""gRPC as bytes: HTTP/2's frames, streams and windows, and the messages in them.

What a message means is decided elsewhere. Nothing in here is imported unless gRPC is configured.
See docs/adr/0046-own-grpc-transport.md.
"""

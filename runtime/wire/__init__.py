"""HTTP/1.1 as bytes: connections, limits and order; what a request means is decided elsewhere.

httptools (llhttp) reads, and nothing here is lenient.
See docs/adr/0043-own-http-layer-for-the-runtime.md.
"""

"""Conformance to the Open Inference Protocol over REST; `python -m tests.conformance.oip URL`.

The specification (inference_rest.md) has no suite of its own. It wants nothing but Python, and
models that take zeros: of each it asks the metadata, and makes its requests by that.
"""

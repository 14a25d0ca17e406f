"""Content-addressed bytes: the spool where uploads grow, and the store where blobs stay.

`blobs.BlobStore` is the protocol; `folder` keeps blobs in a local directory, `bucket` in an
object store. One conformance suite runs against both.
"""

"""Golden data as bytes to columns of arrays: CSV, npz, Parquet. What is read is hostile until it is
parsed: its size is bounded before it is unpacked, and nothing in it is executed."""

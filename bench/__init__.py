"""The numbers: each measured beside its reference, in the same run, on the same machine."""

"""The one way in which an inspection says no: the file, what is wrong, what to do."""

from registry.errors import UnsafeModel


def unsafe(path: str, what: str, *, fix: str) -> UnsafeModel:
    """`path` is the file as the model names it."""
    return UnsafeModel(f"{path}: {what}", fix=fix)

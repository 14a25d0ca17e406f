"""LiteRT out of a SavedModel, by TensorFlow's own converter and with its built-in operations only.

Operations of TensorFlow itself ("flex") and custom ones are left out on purpose: an embedded host
that has LiteRT has neither.
"""

import os
from pathlib import Path
from typing import Any

from registry.making.exporting import forms
from registry.making.exporting.forms import Form
from registry.making.refusals import NotConvertible


def from_saved_model(source: Path, folder: Path) -> None:
    """The signature `serving_default`, in float32 as it is."""
    import tensorflow as tf  # noqa: PLC0415  heavy

    converter: Any = tf.lite.TFLiteConverter.from_saved_model(
        str(source), signature_keys=["serving_default"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        made = _silently(converter)
    except Exception as error:
        raise NotConvertible(
            f"the model cannot be written for LiteRT: {_reason(error)}",
            fix="keep to operations that LiteRT has built in, or fix the number of rows "
            "(batched=False): recurrent layers need that",
        ) from error
    (folder / forms.HEADS[Form.TFLITE]).write_bytes(made)


def _silently(converter: Any) -> bytes:
    """The converter's C++ writes to descriptor 2 whatever the level of logging is."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        found: bytes = converter.convert()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return found


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "op" in line.lower() and "error" in line.lower()]
    return (telling or lines or [type(error).__name__])[0][:300]

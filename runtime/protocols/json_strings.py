"""Strings of tensors in JSON: text as text, other bytes as `{"b64": "..."}`."""

import base64
import binascii


def is_bytes(value: object) -> bool:
    """Whether it is `{"b64": "..."}`, an object that stands for a string."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def encoded(value: object) -> bytes:
    """The bytes of one string; `ValueError` where it is no string or its base64 is broken."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, dict) or not is_bytes(value):
        raise ValueError("not a string")
    text = value["b64"].rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def plain(item: bytes, *, as_base64: bool) -> object:
    """What stands for `item` in an answer."""
    if not as_base64:
        try:
            return item.decode()
        except UnicodeDecodeError:
            pass  # bytes that are no text can only be sent as base64
    return {"b64": base64.b64encode(item).decode()}

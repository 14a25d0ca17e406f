"""Bech32 (BIP 173) without its length limit: how age spells recipients and identities."""

from registry.errors import InvalidInput

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM = 6


def encode(prefix: str, data: bytes) -> str:
    """Lower case throughout; `prefix` is lower case."""
    values = _regroup(data, 8, 5)
    if len(data) * 8 % 5:
        values.append((int.from_bytes(data, "big") << 5 - len(data) * 8 % 5) & 31)
    check = _polymod(_expanded(prefix) + values + [0] * _CHECKSUM) ^ 1
    values += [check >> 5 * (_CHECKSUM - 1 - place) & 31 for place in range(_CHECKSUM)]
    return prefix + "1" + "".join(_ALPHABET[value] for value in values)


def decode(text: str, *, what: str) -> tuple[str, bytes]:
    """Prefix, in lower case, and data. Raises InvalidInput, which does not repeat `text`."""
    lower = text.lower()
    prefix, separator, rest = lower.rpartition("1")
    is_one_case = text in (lower, text.upper())
    if not (text.isascii() and is_one_case and prefix and separator and len(rest) >= _CHECKSUM):
        raise _wrong(what)
    values = [_ALPHABET.find(letter) for letter in rest]
    if -1 in values or _polymod(_expanded(prefix) + values) != 1:
        raise _wrong(what)
    values = values[:-_CHECKSUM]
    left_over = len(values) * 5 % 8
    # Bits that fill up the last group are fewer than five and zero.
    if left_over >= 5 or (left_over and values[-1] & ((1 << left_over) - 1)):
        raise _wrong(what)
    return prefix, bytes(_regroup(values, 5, 8))


def _regroup(values: bytes | list[int], source: int, target: int) -> list[int]:
    """Whole groups of `target` bits; what is left over is not among them."""
    found, bits, count = [], 0, 0
    for value in values:
        bits = bits << source | value
        count += source
        while count >= target:
            count -= target
            found.append(bits >> count & (1 << target) - 1)
        bits &= (1 << count) - 1
    return found


def _expanded(prefix: str) -> list[int]:
    return [ord(one) >> 5 for one in prefix] + [0] + [ord(one) & 31 for one in prefix]


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"{what} is not Bech32, or was mistyped", fix="copy it again, whole")

"""Our age files: Debian's `age` reads them, we read its, and nothing that was changed opens."""

import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import age, age_payload
from registry.core.age import FileKey, Identity, Stanza
from registry.core.age_payload import CHUNK, NONCE, SEALED, TAG, Opener, Sealer
from registry.errors import DecryptionFailed, InvalidInput

KEY = FileKey(bytes(range(16)))
NONCE_OF_16 = bytes(range(100, 116))
ME = Identity(bytes(range(32)))
OTHER = Identity(bytes(range(32, 64)))
STANZA = age.wrap(KEY, ME.recipient, ephemeral=bytes(range(64, 96)))
HEADER = age.encode([STANZA], KEY)
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17)


def content_of(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(251)) * (size // 251) + bytes(size % 251)


def payload_of(content: bytes, *, cut: int = 50_000) -> bytes:
    sealer = Sealer(KEY, NONCE_OF_16)
    pieces = [sealer.update(content[at : at + cut]) for at in range(0, len(content), cut)]
    return b"".join([NONCE_OF_16, *pieces, sealer.finish()])


def opened(file: bytes, *identities: Identity, cut: int = 50_000) -> bytes:
    """As whoever streams would read it."""
    header = age.parse(file)
    key = age.unwrap(header, identities or [ME])
    payload = file[header.size :]
    opener = Opener(key, payload[:NONCE])
    pieces = [opener.update(payload[at : at + cut]) for at in range(NONCE, len(payload), cut)]
    return b"".join([*pieces, opener.finish()])


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key.txt"
    file.write_text(ME.text + "\n")
    return file


@pytest.mark.parametrize("size", SIZES)
def test_the_age_program_reads_what_we_write(key_file: Path, size: int) -> None:
    content = content_of(size)
    done = subprocess.run(
        ["age", "--decrypt", "-i", str(key_file)],
        input=HEADER + payload_of(content), capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == content


@pytest.mark.parametrize("size", SIZES)
def test_we_read_what_the_age_program_writes(size: int) -> None:
    content = content_of(size)
    command = ["age", "-r", OTHER.recipient, "-r", ME.recipient]
    made = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    assert opened(made) == content
    assert age_payload.opened_size(len(made) - age.parse(made).size) == size


def test_the_age_program_knows_our_keys_by_the_same_names(key_file: Path) -> None:
    command = ["age-keygen", "-y", str(key_file)]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert said.strip() == ME.recipient
    made = subprocess.run(["age-keygen"], capture_output=True, check=True, text=True).stdout
    public, secret = made.splitlines()[1].split()[-1], made.splitlines()[2]
    assert age.identity(secret).recipient == public


def test_one_who_is_not_a_recipient_opens_nothing() -> None:
    with pytest.raises(DecryptionFailed, match="other recipients"):
        opened(HEADER + payload_of(b"secret"), OTHER)
    with pytest.raises(DecryptionFailed):
        age.unwrap(age.parse(HEADER), [])


def test_each_of_several_recipients_opens_the_file_and_unknown_kinds_are_skipped() -> None:
    grease = Stanza("joke-grease", ("!~", "x" * 200), bytes(96))
    second = age.wrap(KEY, OTHER.recipient, ephemeral=bytes(range(1, 33)))
    header = age.encode([grease, STANZA, second], KEY)
    for one in (ME, OTHER):
        assert opened(header + payload_of(b"secret"), one) == b"secret"


@pytest.mark.parametrize("place", range(0, len(HEADER), 1))
def test_any_byte_of_a_header_that_is_changed_is_noticed(place: int) -> None:
    changed = bytearray(HEADER)
    changed[place] ^= 1
    with pytest.raises(DecryptionFailed):
        opened(bytes(changed) + payload_of(b"secret"))


@given(st.integers(0, 3 * SEALED - 1), st.integers(1, 255))
def test_any_byte_of_a_payload_that_is_changed_is_noticed(place: int, bits: int) -> None:
    payload = bytearray(PAYLOAD)
    payload[place % len(payload)] ^= bits
    with pytest.raises(DecryptionFailed):
        opened(HEADER + bytes(payload))


PAYLOAD = payload_of(content_of(2 * CHUNK + 100))
FLAWED_PAYLOADS = {
    "nothing": b"",
    "half a nonce": PAYLOAD[:8],
    "a nonce alone": PAYLOAD[:NONCE],
    "cut inside a chunk": PAYLOAD[: NONCE + SEALED + 1000],
    "cut after the first chunk": PAYLOAD[: NONCE + SEALED],
    "cut after the second chunk": PAYLOAD[: NONCE + 2 * SEALED],
    "cut by one byte": PAYLOAD[:-1],
    "one byte more": PAYLOAD + b"\0",
    "another chunk after the last": PAYLOAD + PAYLOAD[NONCE : NONCE + SEALED],
    "the last chunk twice": PAYLOAD + PAYLOAD[NONCE + 2 * SEALED :],
    "two chunks exchanged": PAYLOAD[:NONCE]
    + PAYLOAD[NONCE + SEALED : NONCE + 2 * SEALED]
    + PAYLOAD[NONCE : NONCE + SEALED]
    + PAYLOAD[NONCE + 2 * SEALED :],
    "a chunk left out": PAYLOAD[:NONCE] + PAYLOAD[NONCE + SEALED :],
    "another file's nonce": bytes(NONCE) + PAYLOAD[NONCE:],
}


@pytest.mark.parametrize("name", FLAWED_PAYLOADS)
def test_a_payload_with_a_flaw_is_refused(name: str, key_file: Path) -> None:
    file = HEADER + FLAWED_PAYLOADS[name]
    with pytest.raises(DecryptionFailed):
        opened(file)
    command = ["age", "--decrypt", "-i", str(key_file)]
    assert subprocess.run(command, input=file, capture_output=True, check=False).returncode == 1


def test_an_empty_chunk_at_the_end_of_a_file_is_refused() -> None:
    aead = age_payload._aead(KEY, NONCE_OF_16)
    first = aead.encrypt(age_payload._nonce(0, is_last=False), bytes(CHUNK), None)
    last = aead.encrypt(age_payload._nonce(1, is_last=True), b"", None)
    with pytest.raises(DecryptionFailed, match="empty chunk"):
        opened(HEADER + NONCE_OF_16 + first + last)


def test_no_plaintext_is_given_before_it_is_authentic() -> None:
    opener = Opener(KEY, NONCE_OF_16)
    broken = bytearray(PAYLOAD[NONCE:])
    broken[SEALED + 5] ^= 1
    assert opener.update(bytes(broken[: SEALED + 1])) == content_of(2 * CHUNK + 100)[:CHUNK]
    with pytest.raises(DecryptionFailed, match="chunk 1"):
        opener.update(bytes(broken[SEALED + 1 :]))


def flawed(change: Callable[[bytes], bytes]) -> bytes:
    """The golden header changed before its MAC was made, so that only its form is wrong."""
    body, _, _ = HEADER.rpartition(b" ")
    changed = change(body)
    import hmac

    key = age._derive(KEY.secret, b"", b"header")
    mac = b64encode(hmac.digest(key, changed, "sha256")).rstrip(b"=")
    return changed + b" " + mac + b"\n"


SHARE = STANZA.arguments[0].encode()
BODY = b64encode(STANZA.body).rstrip(b"=")
LOW_ORDER = b64encode(bytes(32)).rstrip(b"=")
FLAWED_HEADERS = {
    "another version": flawed(lambda h: h.replace(b"/v1", b"/v2")),
    "no version": flawed(lambda h: h.split(b"\n", 1)[1]),
    "carriage returns": flawed(lambda h: h.replace(b"\n", b"\r\n")),
    "a carriage return after the version": flawed(lambda h: h.replace(b"/v1\n", b"/v1\r\n")),
    "a space before the version": flawed(lambda h: b" " + h),
    "an empty line after the version": flawed(lambda h: h.replace(b"/v1\n", b"/v1\n\n")),
    "no stanza": flawed(lambda h: b"age-encryption.org/v1\n---"),
    "a stanza without a kind": flawed(lambda h: h.replace(b"-> X25519 " + SHARE, b"->")),
    "two spaces in a stanza": flawed(lambda h: h.replace(b"-> X", b"->  X")),
    "a space at the end of a stanza": flawed(lambda h: h.replace(SHARE, SHARE + b" ")),
    "a control character": flawed(lambda h: h.replace(b"X25519 ", b"X25519 \x7f ")),
    "a letter beyond ASCII": flawed(lambda h: h.replace(b"X25519 ", b"X25519 \xe9 ")),
    "no share": flawed(lambda h: h.replace(b" " + SHARE, b"")),
    "two shares": flawed(lambda h: h.replace(SHARE, SHARE + b" " + SHARE)),
    "a short share": flawed(lambda h: h.replace(SHARE, SHARE[:40])),
    "a long share": flawed(lambda h: h.replace(SHARE, SHARE + b"AAAA")),
    "a share of low order": flawed(lambda h: h.replace(SHARE, LOW_ORDER)),
    "a share with padding": flawed(lambda h: h.replace(SHARE, SHARE + b"=")),
    "a share with bits left over": flawed(lambda h: h.replace(SHARE, SHARE[:-1] + b"9")),
    "a share of URL-safe base64": flawed(lambda h: h.replace(SHARE, b"-" + SHARE[1:])),
    "a short body": flawed(lambda h: h.replace(BODY, BODY[:-3])),
    "a long body": flawed(lambda h: h.replace(BODY, BODY + b"AAAA")),
    "a body with padding": flawed(lambda h: h.replace(BODY, BODY + b"=")),
    "a body with bits left over": flawed(lambda h: h.replace(BODY, BODY[:-1] + b"9")),
    "a body with a space": flawed(lambda h: h.replace(BODY, BODY[:5] + b" " + BODY[6:])),
    "a body of 65 columns": flawed(lambda h: h.replace(BODY, b"A" * 65)),
    "a body cut in two lines": flawed(lambda h: h.replace(BODY, BODY[:20] + b"\n" + BODY[20:])),
    "a full body without its short line": flawed(
        lambda h: h.replace(b"-> X", b"-> grease\n" + b"A" * 64 + b"\n-> X")
    ),
    "no body": flawed(lambda h: h.replace(BODY + b"\n", b"")),
    "a passphrase beside a key": flawed(
        lambda h: h.replace(b"-> X", b"-> scrypt " + b"A" * 22 + b" 18\n" + b"A" * 43 + b"\n-> X")
    ),
    "no MAC": HEADER.rpartition(b" ")[0] + b"\n",
    "an empty MAC": HEADER.rpartition(b" ")[0] + b" \n",
    "a MAC with padding": HEADER[:-1] + b"=\n",
    "a MAC with bits left over": HEADER[:-2] + b"9\n",
    "a short MAC": HEADER[:-5] + b"\n",
    "a space after the MAC": HEADER[:-1] + b" \n",
    "a carriage return after the MAC": HEADER[:-1] + b"\r\n",
    "two spaces before the MAC": HEADER.replace(b"--- ", b"---  "),
    "four dashes": HEADER.replace(b"--- ", b"---- "),
    "another MAC": HEADER.rpartition(b" ")[0] + b" " + b"A" * 43 + b"\n",
    "no end": HEADER[:-1],
    "armor": b"-----BEGIN AGE ENCRYPTED FILE-----\n" + b64encode(HEADER),
    "nothing": b"",
}


# It unwraps armor; and looks at a passphrase only where it was asked for one.
THE_PROGRAM_TAKES = {"armor", "a passphrase beside a key"}


@pytest.mark.parametrize("name", FLAWED_HEADERS)
def test_a_header_with_a_flaw_is_refused(name: str, key_file: Path) -> None:
    file = FLAWED_HEADERS[name] + payload_of(b"secret")
    with pytest.raises(DecryptionFailed) as refused:
        opened(file)
    assert "secret" not in str(refused.value)
    command = ["age", "--decrypt", "-i", str(key_file)]
    if name not in THE_PROGRAM_TAKES:
        assert subprocess.run(command, input=file, capture_output=True, check=False).returncode == 1


def test_a_header_without_an_end_fills_no_memory() -> None:
    endless = b"age-encryption.org/v1\n-> X25519 " + b"A" * age.MAX_HEADER
    assert age.header_size(endless[:1000]) is None
    with pytest.raises(DecryptionFailed, match="65536"):
        age.header_size(endless)


@pytest.mark.parametrize("cut", [1, 1000, CHUNK, SEALED, 10**7])
def test_it_does_not_matter_in_which_pieces_a_file_comes(cut: int) -> None:
    content = content_of(2 * CHUNK + 100 if cut > 1 else 300)
    assert payload_of(content, cut=cut) == payload_of(content)
    assert opened(HEADER + payload_of(content), cut=cut) == content


@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_sealed_and_opened_files_are_known_beforehand(size: int) -> None:
    sealed = len(payload_of(content_of(size)))
    assert age_payload.sealed_size(size) == sealed
    assert age_payload.opened_size(sealed) == size


@pytest.mark.parametrize("sealed", [0, NONCE, NONCE + TAG - 1, NONCE + SEALED + TAG, -5])
def test_a_size_that_no_payload_has_is_refused(sealed: int) -> None:
    with pytest.raises(DecryptionFailed):
        age_payload.opened_size(sealed)


@given(st.integers(0, 2 * CHUNK + 100), st.integers(0, 2 * CHUNK + 100))
def test_any_range_can_be_read_by_its_chunks_alone(one: int, other: int) -> None:
    start, stop = sorted((one, other))
    size = 2 * CHUNK + 100
    first, after = age_payload.chunks_of(start, stop)
    sealed = PAYLOAD[age_payload.offset_of(first) : age_payload.offset_of(after)]
    opener = Opener(KEY, NONCE_OF_16, first)
    reaches_end = after * CHUNK >= size
    plain = opener.update(sealed) + (opener.finish() if reaches_end else opener.rest())
    assert plain[start - first * CHUNK :][: stop - start] == content_of(size)[start:stop]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        ME.recipient[:-1],
        ME.recipient[:-1] + ("q" if ME.recipient[-1] != "q" else "p"),
        ME.recipient.upper(),
        ME.recipient.replace("age1", "agf1"),
        ME.text,
        "ssh-ed25519 AAAA",
        "age1é",
    ],
)
def test_what_is_no_recipient_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        age.recipient(text)


def test_a_recipient_of_low_order_gets_nothing() -> None:
    from registry.core import bech32

    with pytest.raises(InvalidInput, match="low order"):
        age.wrap(KEY, bech32.encode("age", bytes(32)), ephemeral=bytes(range(32)))


@pytest.mark.parametrize("text", [ME.text.lower(), ME.text[:-1], ME.text[:20], ME.recipient])
def test_what_is_no_identity_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        age.identity(text)
    assert text not in str(refused.value)


def test_no_repr_shows_a_key() -> None:
    shown = repr([KEY, ME, Sealer(KEY, NONCE_OF_16), Opener(KEY, NONCE_OF_16)])
    assert ME.recipient in shown
    assert "secret" not in shown
    assert repr(KEY.secret) not in shown
    assert ME.text not in shown

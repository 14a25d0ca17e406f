"""What verification costs a host: everything it checks before it loads a byte."""

import base64
from collections.abc import Callable, Iterator
from functools import partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from bench import repeating
from bench.figures import Row
from registry.core import digest, dsse, entries, envelope, manifest, merkle, note, oms, statement
from registry.core.trustroot import TrustRoot
from registry.trust import keys, sign

_AREA = "trust"
_ORIGIN = "plimsoll.bench/log"
_MODEL, _VERSION = "digits", 1
_CALLS = 50
_REPETITIONS = 15


def rows() -> Iterator[Row]:
    """Verification of a pull envelope; grows with the number of files (each is a line in the
    manifest and in the publisher's signature) and the logarithm of the log's size, not with
    the size of the files: those are hashed as they are pulled.
    """
    for files in (1, 1000):
        yield _verified(files)


def _verified(files: int) -> Row:
    document, trust, wanted = _envelope(files)
    if not isinstance(envelope.verify(document, trust, wanted), envelope.Verified):
        raise TypeError("the envelope that was made here does not verify")
    found = repeating.compared(
        partial(_calls, lambda: envelope.verify(document, trust, wanted)),
        partial(_calls, _three_signatures()),
        repetitions=_REPETITIONS,
    )
    floor = found.reference_seconds / _CALLS * 1e3
    return Row(
        _AREA,
        f"pull envelope verified, {files} file{'s' if files > 1 else ''}",
        found.seconds / _CALLS * 1e3,
        "ms",
        f"its three signatures alone: {floor:.2f} ms",
        ratio=found.speed_ratio,
    )


def _calls(work: Callable[[], object]) -> float:
    return repeating.seconds(lambda: [work() for _ in range(_CALLS)])


def _envelope(count: int) -> tuple[bytes, TrustRoot, envelope.Wanted]:
    return published(
        [
            oms.File(f"weights/{number:05d}.bin", digest.of(b"%d" % number), 4096)
            for number in range(count)
        ]
    )


def published(files: list[oms.File]) -> tuple[bytes, TrustRoot, envelope.Wanted]:
    """The envelope of a version of these files, by whom it is believed, and what to ask of it."""
    publisher, registry = keys.generate_signing_key(), keys.generate_signing_key()
    log = keys.generate_log_key()
    built = manifest.build(model=_MODEL, version=_VERSION, format="onnx", files=files)
    said = statement.Version(_MODEL, _VERSION, built.digest, "onnx", "bench")
    leaf = entries.encode(
        entries.Entry(
            time="2026-11-23T08:00:00Z",
            kind=entries.Kind.PUBLISHED,
            actor="publisher:bench",
            model=_MODEL,
            version=_VERSION,
            digest=built.digest,
        )
    )
    wanted = envelope.Wanted(_MODEL, _VERSION, built.digest)
    parts = envelope.Parts(
        manifest=built.manifest,
        publisher_bundle=sign.sign_model(_MODEL, files, publisher),
        registry_bundle=sign.sign_version(said, registry),
        index=0,
        leaf=leaf,
        proof=[],
        checkpoint=sign.sign_checkpoint(_ORIGIN, 1, merkle.leaf_hash(leaf), log),
    )
    trust = TrustRoot(
        (dsse.signer("bench", publisher.public_pem),),
        dsse.signer("registry", registry.public_pem),
        note.LogKey(_ORIGIN, log.public_raw),
    )
    return envelope.encode(wanted, parts), trust, wanted


def _three_signatures() -> Callable[[], None]:
    """Two ECDSA P-256 and one Ed25519, as an envelope carries, with nothing around them."""
    message = base64.b64encode(bytes(400))
    private = ec.generate_private_key(ec.SECP256R1())
    signature, public = private.sign(message, ec.ECDSA(hashes.SHA256())), private.public_key()
    log = ed25519.Ed25519PrivateKey.generate()
    log_signature, log_public = log.sign(message), log.public_key()

    def verify() -> None:
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        log_public.verify(log_signature, message)

    return verify

"""The README of every audit bundle of version 1: the same bytes always, so that none can differ."""

TEXT = """\
# Audit bundle, version 1

A copy of a model registry's log and of everything that proves it. Nothing here asks to be
believed: each file can be checked, without a network, against the log's public key.

    README.md              this text, the same in every bundle of version 1
    trust.json             whose keys count, as the maker of this bundle saw it. Use your own.
    checkpoint             the log's size and Merkle root, signed (C2SP tlog-checkpoint)
    checkpoints/<size>     earlier signed states of the same log, if there are any
    tile/entries/<N>       256 log entries each (C2SP tlog-tiles: 16-bit length, then the entry)
    tile/<L>/<N>           256 hashes each of level L of the tree (RFC 6962 hashes)
    documents/<I>/...      what entry I of the log is about; each name carries its file's sha256

The documents of a `published` entry:

    manifest.<sha256>.json   the OCI manifest; its sha256 is the `digest` in the entry
    config.<sha256>.json     its config blob; its sha256 is in the manifest
    publisher.<sha256>.json  the publisher's OpenSSF Model Signing bundle over the model's files
    registry.<sha256>.json   the registry's in-toto statement: this name and number, this digest
    derivation.<sha256>.json (of marked files) the registry's statement: made from which files
    evidence.<sha256>.json   (other kinds) the signed statement that the entry records

Of an erased version the registry's statement stays, and the `erased` entry says why.

## To check it with `plimsoll`

    plimsoll audit verify bundle.tar --trust trust.json

`trust.json` must be yours, from a channel you trust, not the one in here.

## To check it without `plimsoll`

1. The archive is a plain tar: `tar xf bundle.tar`. What you get is a tlog-tiles directory, which
   any C2SP tlog-tiles tool reads (`checkpoint`, `tile/...`).
2. `checkpoint`: the text up to and with the newline before the empty line is signed with Ed25519.
   A signature line is `- name base64(4 bytes key id, 64 bytes signature)` (with an em dash);
   the key id is sha256(name, newline, 0x01, public key), cut to 4 bytes.
3. Leaf hash: sha256(0x00, entry). Node hash: sha256(0x01, left, right). Cut the tree of all
   entries as RFC 6962, section 2.1, says; its root must be the third line of `checkpoint`.
4. A document's sha256 is in its name. `manifest`'s is the entry's `digest`.
5. `publisher` and `registry` are DSSE envelopes in Sigstore bundles: ECDSA P-256 with SHA-256 over
   "DSSEv1 28 application/vnd.in-toto+json <length> <payload>". `publisher` lists the digest of
   each file, as the layers of `manifest` do; `registry` names model, version and digest, as the
   entry does. With `derivation`, whose predicate names `source` and `files`, `publisher` lists
   the digests of `source`; the sha256 of its payload is in the entry.
"""

README = TEXT.encode()

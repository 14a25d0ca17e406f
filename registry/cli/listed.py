"""What help says of each command and group of this package: for `plimsoll --help` none is loaded.

A test holds this to what they say of themselves, in the order in which help shows them.
"""

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "push": "Publish a model version. Repeating a push, or finishing a broken one, is safe.",
    "pull": "Download a version and verify it: signatures, log proof and every byte.",
    "export": (
        "Write a trainer's model as ONNX, SavedModel, TorchScript or LiteRT; differences are told."
    ),
    "convert": (
        "Make a model of one format into another. Published, it says what it was converted from."
    ),
    "package": "Compose a version's runnable image, which its tag stands for from then on.",
    "approve": (
        "Say that a version may be served. It counts if the trust root lists you as an approver."
    ),
    "quarantine": "Say that a version must not be served: nothing new starts with it from now on.",
    "sign": "Sign a folder, offline. `plimsoll push --signature` publishes it later, elsewhere.",
    "verify": (
        "Check a folder against its signature: exactly these files, by a publisher who is trusted."
    ),
    "whoami": "Whom the registry takes you for, and what you may do there.",
    "login": (
        "Keep a token for a registry, once that registry has taken it, and use it from now on."
    ),
    "logout": "Forget a context's token. It stays good: `plimsoll token revoke` ends it.",
    "status": "What is deployed and how it does.",
    "diff": (
        "What Git asks for against what each host serves; ends with 0 either way unless told else."
    ),
    "wait": (
        "Wait until a deployment is in sync and healthy. Ends with 6 when the time is "
        "over, with 1\n"
        "at once when it cannot come true any more."
    ),
    "history": "Every version that was asked for, the newest first, and what became of it.",
    "events": "What the log tells of a deployment, in order; as JSON, a document a line.",
    "optimise": "Make a model smaller and faster by a recipe, and measure what that costs.",
    "serve": "Run the registry until it is told to stop.",
    "version": "The version of this program.",
}

GROUPS: Mapping[str, str] = {
    "bundle": "One file with a version, its image and all that proves them.",
    "model": "Models and their versions.",
    "alias": "Words that point at versions.",
    "evidence": "Signed statements about versions.",
    "audit": "The log of all that happened.",
    "keys": "Publishers' signing keys.",
    "trust": "The trust root: whose signatures count.",
    "token": "Tokens that open the registry.",
    "host": "Hosts that may pull models.",
    "context": "The registries that you work with, by name.",
    "webhook": "Who is told of what happens.",
    "watermark": "Whose model is this, and who leaked it?",
    "admin": "Run the registry: clean, hold, erase, save.",
}

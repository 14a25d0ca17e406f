"""What a version is and how it is proved: pure values and pure checks.

Registry, reconciler and runtime share this package. Nothing in it reads a clock, a disk or a
network, logs, or draws an id. Verification of signatures is a pure function and lives here;
signing needs a secret and lives in `registry.trust`.
"""

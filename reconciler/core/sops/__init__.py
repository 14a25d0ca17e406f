"""Files of secrets in the format of SOPS (getsops.io), with age keys. Pure.

Names are in the open, values are not: one data key a file encrypts them, and each recipient has
that data key in an age file of its own. Errors and reprs never hold a value.
"""

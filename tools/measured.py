"""Seal pages whose figures were measured, so that a figure typed over is noticed.

A time cannot be recomputed by a test.  So the tool that measures writes the digest of
the page as its last line, and a test compares the two.
"""

import hashlib
import re

SEAL = re.compile(r"<!-- measured, not typed: ([0-9a-f]{16}) -->\n\Z")


def sealed(text):
    """Return the text with its digest as a comment in the last line."""
    return f"{text}\n<!-- measured, not typed: {_digest(text)} -->\n"


def is_sealed(text):
    """Tell whether the last line is the digest of what stands above it."""
    found = SEAL.search(text)
    return bool(found) and found[1] == _digest(text[: found.start() - 1])


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]

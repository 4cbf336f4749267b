"""What all errors and warnings of hhsim have in common."""

from __future__ import annotations


class HhsimError(Exception):
    """Base of every error that hhsim raises on purpose."""


class HhsimWarning(UserWarning):
    """Something that costs time, and that the user can do something about."""

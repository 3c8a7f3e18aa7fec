"""What a number may be where it is typed; argparse tells what it may not."""

from __future__ import annotations

import argparse


def port(text: str) -> int:
    """A port to listen on, 0 to 65535; 0 is any free one.

    Raises:
        argparse.ArgumentTypeError, ValueError: it is none.
    """
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be 0 (any free one) to 65535")
    return value


def positive(text: str) -> int:
    """A count, at least 1.

    Raises:
        argparse.ArgumentTypeError, ValueError: it is none.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def days(text: str) -> int | None:
    """So many days, at least 1; None for `never`.

    Raises:
        argparse.ArgumentTypeError, ValueError: it is none.
    """
    return None if text == "never" else positive(text)

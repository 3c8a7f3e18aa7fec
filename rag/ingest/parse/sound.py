"""The sound of a recording, slice by slice: what hears it needs a megabyte for each second it is given at once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.errors import UnreadableDocument

Sound: TypeAlias = NDArray[np.float32]  # (samples,), one channel, -1 to 1
_Samples: TypeAlias = NDArray[np.int16]

RATE: Final = 16_000
"""Samples a second."""
SLICE_S: Final = 600.0
_LOOK_S, _QUIET_S = 15.0, 0.3
"""A slice ends in the middle of the quietest stretch of its last seconds, so that no word is cut."""


def slices(body: bytes, *, slice_s: float = SLICE_S) -> Iterator[tuple[float, Sound]]:
    """(begins at, seconds; its sound) of each slice, in order and without gaps; none is longer than `slice_s` by more
    than one frame of the file.

    Raises:
        UnreadableDocument: it has no sound that can be decoded.
    """
    import av

    try:
        yield from _cut(_decoded(body), most=round(slice_s * RATE))
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise UnreadableDocument("it has no sound that can be decoded") from error


def _cut(pieces: Iterator[_Samples], *, most: int) -> Iterator[tuple[float, Sound]]:
    held: list[_Samples] = []
    samples, begins = 0, 0
    for piece in pieces:
        held.append(piece)
        samples += piece.size
        if samples >= most:
            whole = np.concatenate(held)
            end = _quietest(whole)
            yield begins / RATE, _sound(whole[:end])
            held, samples, begins = [whole[end:]], whole.size - end, begins + end
    if samples:
        yield begins / RATE, _sound(np.concatenate(held))


def _quietest(samples: _Samples) -> int:
    """Where to cut: never in the first half."""
    width = max(1, round(_QUIET_S * RATE))
    look = min(round(_LOOK_S * RATE), samples.size // 2) // width * width
    if not look:
        return samples.size
    loud = np.square(samples[-look:].astype(np.float32)).reshape(-1, width).sum(axis=1)
    return int(samples.size - look + int(loud.argmin()) * width + width // 2)


def _sound(samples: _Samples) -> Sound:
    return samples.astype(np.float32) / np.float32(32768)


def _decoded(body: bytes) -> Iterator[_Samples]:
    """What the file holds, as it is decoded; frames that are damaged are left out."""
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(body), mode="r", metadata_errors="ignore") as container:
        for frame in _whole(container.decode(audio=0)):
            frame.pts = None  # its own clock may jump
            yield from (_of(part) for part in resampler.resample(frame))
        yield from (_of(part) for part in resampler.resample(None))


def _whole(frames: Iterator[Any]) -> Iterator[Any]:
    import av

    while True:
        try:
            yield next(frames)
        except StopIteration:
            return
        except av.error.InvalidDataError:
            continue


def _of(part: Any) -> _Samples:
    found: _Samples = part.to_ndarray().reshape(-1).astype(np.int16, copy=False)
    return found

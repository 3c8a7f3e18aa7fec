"""One file over HTTPS from its official home: resumable, verified by hash before it counts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from rag.errors import ModelUnavailable
from rag.models.catalogue import File
from rag.ports import Progress

_PIECE_BYTES = 1 << 20
_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class HomeUnreachable(ModelUnavailable):
    """The home of a file cannot be reached from here; the message is a sentence."""


def download(url: str, part: Path, *, file: File, label: str, progress: Progress, trust_env: bool) -> None:
    """Write the file to `part`, going on where an earlier attempt stopped.

    Raises:
        HomeUnreachable: no connection to the home, or it refuses.
        ModelUnavailable: the connection broke on the way (`part` stays), or the bytes are wrong (`part` is deleted).
    """
    with httpx.Client(trust_env=trust_env, follow_redirects=False, timeout=_TIMEOUT) as client:
        resumed = part.exists() and part.stat().st_size > 0
        digest = _continue(client, url, part, file=file, label=label, progress=progress)
        if digest != file.sha256 and resumed:  # what lay there may have been another file's beginning
            part.unlink(missing_ok=True)
            digest = _continue(client, url, part, file=file, label=label, progress=progress)
    if digest != file.sha256:
        part.unlink(missing_ok=True)
        raise ModelUnavailable(
            f"{url} gave other bytes than the catalogue names for {label} (sha256 {digest[:12]}…, expected "
            f"{file.sha256[:12]}…). They were deleted; try again or ask who runs the mirror."
        )


def _continue(client: httpx.Client, url: str, part: Path, *, file: File, label: str, progress: Progress) -> str:
    """Fetch what is missing of `part`; returns the sha256 of the whole."""
    have = part.stat().st_size if part.exists() else 0
    if have >= file.size_bytes:
        return _hash(part).hexdigest()
    with _open(client, url, have=have) as response:
        restarted = have > 0 and not _continues_at(response, have)
        digest = hashlib.sha256() if restarted or not have else _hash(part)
        done = 0 if restarted else have
        progress(label, done, file.size_bytes)
        with part.open("wb" if restarted else "ab") as out:
            for piece in _pieces(response, url):
                done += len(piece)
                if done > file.size_bytes:
                    break  # longer than the file can be: the hash will say so
                out.write(piece)
                digest.update(piece)
                progress(label, done, file.size_bytes)
    if done < file.size_bytes:
        raise ModelUnavailable(f"The download of {label} ended early ({done:,} of {file.size_bytes:,} bytes). Run the "
                               f"same command again; it goes on from there.")  # fmt: skip
    return "longer than expected" if done > file.size_bytes else digest.hexdigest()


@contextmanager
def _open(client: httpx.Client, url: str, *, have: int) -> Iterator[httpx.Response]:
    """The response with the bytes, after redirects: to the same origin, or to https only."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    target = httpx.URL(url)
    for _ in range(_MAX_REDIRECTS):
        try:
            response = client.send(client.build_request("GET", target, headers=headers), stream=True)
        except httpx.TransportError as error:
            raise HomeUnreachable(f"{target.host} cannot be reached ({_reason(error)}).") from error
        try:
            if response.is_redirect:
                target = _followed(target, response)
                continue
            if response.status_code >= 400:
                raise HomeUnreachable(f"{target.host} refuses {target.path} (HTTP {response.status_code}).")
            yield response
            return
        finally:
            response.close()
    raise HomeUnreachable(f"{httpx.URL(url).host} redirects without end.")


def _followed(target: httpx.URL, response: httpx.Response) -> httpx.URL:
    onward = target.join(response.headers.get("location", ""))
    same_origin = (onward.scheme, onward.host, onward.port) == (target.scheme, target.host, target.port)
    if onward.scheme != "https" and not same_origin:
        raise ModelUnavailable(
            f"{target.host} redirects to {onward.scheme}://{onward.host}, which is not https: refused."
        )
    return onward


def _continues_at(response: httpx.Response, have: int) -> bool:
    start = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return response.status_code == httpx.codes.PARTIAL_CONTENT and bool(start) and int(start[1]) == have  # type: ignore[index] # bool(start) came first


def _pieces(response: httpx.Response, url: str) -> Iterator[bytes]:
    try:
        yield from response.iter_raw()
    except httpx.TransportError as error:
        host = httpx.URL(url).host
        raise ModelUnavailable(
            f"The connection to {host} broke on the way ({_reason(error)}). Run the same command again; it goes on "
            f"from there."
        ) from error


def _hash(path: Path) -> hashlib._Hash:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            digest.update(piece)
    return digest


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__

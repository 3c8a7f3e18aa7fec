"""The proof as signed JSON, and as one page a person reads.

The signature is an HMAC under a key in the home. Its worth: the findings are those this installation wrote, and nobody
who cannot read the home has changed them since. Whoever administers the machine can write any; against them only
running it again, by oneself, helps.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rag.errors import SettingsError
from rag.text.sentences import texts

_KEY: Final = "proof.key"
_KEY_BYTES: Final = 32
_WORTH: Final = (
    "HMAC-SHA256 under a key in this installation's home: shows that it wrote these findings and that nobody without "
    "access to that home has changed them; shows nothing against the machine's administrator."
)


def signed(found: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """The findings with a signature."""
    key = _key(home)
    signature = {"kind": "hmac-sha256", "key": _name(key), "value": _mac(found, key), "worth": _WORTH}
    return {**found, "signature": signature}


def holds(path: Path, home: Path) -> bool:
    """Whether a certificate is as this home wrote it.

    Raises:
        SettingsError: it cannot be read, or is no certificate.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        signature = found.pop("signature")["value"]
    except OSError as error:
        raise SettingsError(f"The certificate {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is no certificate of `rag doctor --prove-offline`.") from error
    return hmac.compare_digest(_mac(found, _key(home)), str(signature))


def write(certificate: Mapping[str, Any], folder: Path, *, language: str) -> tuple[Path, Path]:
    """JSON and page, in the folder; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"offline-proof-{str(certificate['began']).replace(':', '')}"
    data, readable = folder / f"{stem}.json", folder / f"{stem}.txt"
    data.write_text(json.dumps(certificate, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    readable.write_text("\n".join(page(certificate, language)) + "\n", encoding="utf-8")
    return data, readable


def page(certificate: Mapping[str, Any], language: str) -> Iterator[str]:
    """One page of lines in German or English."""
    say = texts(language, "proof")
    yield say["title"]
    yield "=" * len(say["title"])
    yield ""
    yield say[f"verdict.{str(certificate['verdict']).replace(' ', '_')}"]
    if certificate.get("problem"):
        yield f"{say['problem']}: {certificate['problem']}"
    yield ""
    if "packets" in certificate:
        yield from _figures(certificate, say)
    yield f"{say['version']}: Archivar {certificate['archivar']}, {certificate['kernel']}, "
    yield f"  {', '.join(f'{name} {version}' for name, version in certificate['versions'].items())}"
    yield f"{say['program']}: {certificate['program_sha256']}"
    yield f"{say['time']}: {certificate['began']}, {certificate['seconds']} s"
    yield f"{say['configured']}: {', '.join(certificate['configured']) or say['nothing']}"
    yield ""
    yield say["shows"]
    yield say["not_shown"]
    yield say["signature"].format(key=certificate["signature"]["key"])
    yield f"  {certificate['signature']['value']}"


def _figures(found: Mapping[str, Any], say: Mapping[str, str]) -> Iterator[str]:
    nothing = say["nothing"]
    caught = sum(control["caught"] for control in found["controls"])
    read = sum(state == "indexed" for state in found["documents"].values())
    stopped = found["stopped"]
    rows = {
        "packets": f"{found['packets']} ({', '.join(found['contacts']) or nothing})",
        "names": f"{len(found['names'])} ({', '.join(found['names'][:10]) or nothing})",
        "inside": f"{found['inside']['packets']} ({', '.join(found['inside']['connections'])})",
        "unexpected": ", ".join(found["inside"]["unexpected"]) or nothing,
        "controls": say["controls_figure"].format(caught=caught, all=len(found["controls"])),
        "missed": str(found["missed"]),
        "switches": str(len(found["switches"])),
        "guard": say["on" if found["guard_in_python"] else "off"],
        "kernel": str(stopped.get("kernel", nothing)),
        "stopped": f"{stopped.get('stopped_in_python', '?')} / {stopped.get('stopped_by_kernel', '?')}",
        "listeners": ", ".join(found["listeners"]) or nothing,
        "sockets": ", ".join(found["local_sockets"]) or nothing,
        "documents": say["documents_figure"].format(read=read, all=len(found["documents"])),
        "models": ", ".join(filter(None, found["models"].values())) or nothing,
        "steps": "; ".join(f"{step['what']} ({step['seconds']} s)" for step in found["steps"]),
    }
    for name, value in rows.items():
        yield f"{say[name]}: {value}"
    yield ""


def _mac(found: Mapping[str, Any], key: bytes) -> str:
    content = json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()


def _name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]


def _key(home: Path) -> bytes:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / _KEY
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()

"""TLS of our own: a certificate and its key, tried out before anybody connects.

The two shake hands with each other in memory: what a browser would stumble over (another key, an expired or not yet
valid certificate) shows before the service says that it answers.
"""

from __future__ import annotations

import logging
import ssl
import stat
import threading
from pathlib import Path

from rag.errors import SettingsError

_log = logging.getLogger(__name__)

_EVERYBODY = 0o007
_LOOK_S = 60.0
_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID
_STEPS = 10


def context(cert: Path, key: Path) -> ssl.SSLContext:
    """What the server speaks: TLS 1.2 or newer with this certificate, the chain's others after it in the same file.

    Raises:
        SettingsError: one of the two cannot be read or used, everybody can read the key, they do not belong together,
            or the certificate is not valid today.
    """
    for option, path in (("--tls-cert", cert), ("--tls-key", key)):
        _readable(option, path)
    if key.stat().st_mode & _EVERYBODY:
        raise SettingsError(
            f"Everybody on this machine can read the key {key} (mode {stat.S_IMODE(key.stat().st_mode):04o}): "
            "chmod 600 it, and have another certificate made if somebody may have."
        )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        raise SettingsError(_said(cert, key, error)) from error
    _try_out(made, cert)
    return made


class Renewal:
    """Takes a renewed certificate into service while connections go on: those that come after it see the new one.

    What stands in the files is tried out as at the start; if it cannot be used, the old one goes on and the log says
    why, once for each change. `look` is called now and then, from one thread; `keep_looking` does so until `close`.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self.context = context(cert, key)
        self._files = (cert, key)
        self._seen = self._stamps()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Take what changed."""
        stamps = self._stamps()
        if stamps == self._seen:
            return
        try:
            context(*self._files)
            self.context.load_cert_chain(*self._files, password=_no_password)
        except (SettingsError, OSError) as error:  # also half of a pair, the other half of which comes a moment later
            _log.warning("The renewed certificate is not used: %s", error, extra={"action": "certificate_not_renewed"})
        else:
            _log.info("The renewed certificate is in use", extra={"action": "certificate_renewed"})
        self._seen = stamps

    def keep_looking(self, every_s: float = _LOOK_S) -> None:
        """Look in a thread of its own."""

        def looking() -> None:
            while not self._closing.wait(every_s):
                self.look()

        self._thread = threading.Thread(target=looking, name="certificate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        """Of both files, through links, as renewal programs swap them; zeros where one is not there just now."""
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


def _no_password() -> bytes:
    raise SettingsError(
        "The key of --tls-key is protected by a password, which nobody can type at a start. Give one without, readable "
        "to the service alone: openssl pkey -in KEY -out NEW."
    )


def _readable(option: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"The file {path} of {option} cannot be read: {error.strerror}.") from error


def _said(cert: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"The key {key} does not belong to the certificate {cert}. Give the two that were made together."
    for option, path, word in (("--tls-cert", cert, b"CERTIFICATE"), ("--tls-key", key, b"PRIVATE KEY")):
        if word not in path.read_bytes():
            return f"{path} holds no {word.decode().lower()} in PEM form, as {option} needs it (-----BEGIN …)."
    return f"{cert} and {key} cannot be used: {error.reason or error}. Both are needed in PEM form."


def _try_out(server_side: ssl.SSLContext, cert: Path) -> None:
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is what is trusted
    client_side.load_verify_locations(cert)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client_side.wrap_bio(down, up),
        server_side.wrap_bio(up, down, server_side=True),
    ]
    try:
        for _ in range(_STEPS):
            shaken = [_shaken(side) for side in sides]  # both move at each step
            if all(shaken):
                return
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            raise SettingsError(f"The certificate {cert} has expired: no browser takes it. Renew it.") from error
        if error.verify_code == _NOT_YET:
            raise SettingsError(f"The certificate {cert} is not valid yet. Is this machine's clock right?") from error
        raise SettingsError(f"The certificate {cert} cannot be used: {error.verify_message}.") from error
    except ssl.SSLError as error:
        raise SettingsError(f"The certificate {cert} cannot be used: {error.reason or error}.") from error
    raise SettingsError(f"The certificate {cert} cannot be used: no connection comes about with it.")


def _shaken(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True

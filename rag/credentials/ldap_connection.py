"""One connection to a directory: encrypted before anything is said, read-only, bounded in time and in bytes.

The protocol is `sansldap`'s, which does no input or output of its own: sockets and TLS are Python's, so that the guard
sees every connection and no library resolves names, follows referrals or reads an ldap.conf behind our back. ldap3 is
under the LGPL, python-ldap and bonsai stand on the C library libldap, which does all of that.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

import sansldap
from sansldap import LDAPClient, LDAPFilter, LDAPMessage, LDAPResultCode, PagedResultControl

_START_TLS: Final = "1.3.6.1.4.1.1466.20037"
_PORTS: Final = {"ldap": 389, "ldaps": 636}
_PAGE: Final = 500
_MOST_BYTES: Final = 16 << 20
_READ: Final = 64 << 10

Entry = tuple[str, Mapping[str, list[str]]]  # distinguished name, attribute in small letters → values


class DirectoryError(OSError):
    """The directory cannot be asked, or what it says cannot be used: whoever was asked about is unsure."""


class Connection:
    """A context: connected, encrypted and bound. `timeout_s` is for all of it together.

    Raises:
        DirectoryError: it cannot be had.
    """

    def __init__(self, url: str, *, ca_file: str, bind_dn: str, password: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._encrypted = parts.scheme == "ldaps"
        self._ca_file, self._bind_dn, self._password = ca_file, bind_dn, password
        self._until = time.monotonic() + timeout_s
        self._left = _MOST_BYTES
        self._client = LDAPClient()
        self._socket: socket.socket | None = None
        self._pending: list[LDAPMessage] = []

    def __enter__(self) -> Connection:
        try:
            self._open()
        except (OSError, sansldap.LDAPError, ValueError) as error:
            self.__exit__(None, None, None)
            raise _told(error, f"The directory at {self._host}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def search(self, base: str, wanted: LDAPFilter, attributes: Sequence[str], *, most: int) -> list[Entry]:
        """Every entry below `base` that fits.

        Raises:
            DirectoryError: there are more than `most`, or not all could be had.
        """
        try:
            return self._search(base, wanted, attributes, most)
        except (OSError, sansldap.LDAPError, ValueError, RecursionError) as error:
            raise _told(error, f"The directory at {self._host}") from error

    def _open(self) -> None:
        self._socket = socket.create_connection((self._host, self._port), timeout=self._remaining())
        if not self._encrypted:
            self._client.extended_request(_START_TLS)
            self._check(next(self._answers()), "StartTLS")
            self._client, self._pending = LDAPClient(), []  # what else was said before the encryption is nobody's word
        context = ssl.create_default_context(cafile=self._ca_file or None)
        self._socket = context.wrap_socket(self._socket, server_hostname=self._host)
        self._client.bind_simple(self._bind_dn, self._password)
        self._check(next(self._answers()), "signing in")

    def _search(self, base: str, wanted: LDAPFilter, attributes: Sequence[str], most: int) -> list[Entry]:
        found: list[Entry] = []
        cookie: bytes | None = b""
        while cookie is not None:
            page = PagedResultControl(critical=False, size=_PAGE, cookie=cookie)
            self._client.search_request(
                base,
                filter=wanted,
                attributes=list(attributes),
                controls=[page],
                time_limit=max(1, int(self._remaining())),
            )
            cookie = self._page(found, most)
        return found

    def _page(self, found: list[Entry], most: int) -> bytes | None:
        """The entries of a page; gives where the next one begins, None after the last."""
        for answer in self._answers():
            if isinstance(answer, sansldap.SearchResultEntry):
                found.append((answer.object_name, _values(answer)))
                if len(found) > most:
                    raise DirectoryError(f"it knows more than {most}")
            elif isinstance(answer, sansldap.SearchResultDone):
                self._check(answer, "searching")
                cookies = [one.cookie for one in answer.controls or () if isinstance(one, PagedResultControl)]
                return next((cookie for cookie in cookies if cookie), None)
        return None

    def _answers(self) -> Iterator[LDAPMessage]:
        """What was asked is sent; then every message, as it comes."""
        connection = self._connected()
        connection.settimeout(self._remaining())
        connection.sendall(self._client.data_to_send())
        while True:
            while self._pending:
                yield self._pending.pop(0)
            connection.settimeout(self._remaining())
            piece = connection.recv(_READ)
            self._left -= len(piece)
            if not piece or self._left < 0:
                raise DirectoryError("it says nothing more" if not piece else "it says too much")
            self._pending += self._client.receive(piece)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise DirectoryError("the connection is closed")
        return self._socket

    def _remaining(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise DirectoryError("it takes too long")
        return left

    def _check(self, answer: LDAPMessage, step: str) -> None:
        result = getattr(answer, "result", None)
        code = getattr(result, "result_code", None)
        if code is not LDAPResultCode.SUCCESS:
            raise DirectoryError(f"it refuses {step} ({getattr(code, 'name', 'no result')})")


def _values(answer: sansldap.SearchResultEntry) -> Mapping[str, list[str]]:
    return {one.name.lower(): [value.decode("utf-8") for value in one.values] for one in answer.attributes}


def _told(error: Exception, who: str) -> DirectoryError:
    said = str(error) if isinstance(error, DirectoryError) else f"{type(error).__name__}: {error}"
    return error if isinstance(error, DirectoryError) and said.startswith(who) else DirectoryError(f"{who}: {said}.")

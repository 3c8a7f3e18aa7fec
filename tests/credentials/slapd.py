"""OpenLDAP's real server over made-up people, with a certificate of its own; with Active Directory's attributes too."""

from __future__ import annotations

import datetime
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ports import free_port

BASE = "dc=firma,dc=example"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
READER = f"cn=reader,{BASE}"
PASSWORD = "of the reader"

_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.1.2 NAME 'adAccount' SUP top AUXILIARY
  MAY ( sAMAccountName $ userPrincipalName $ userAccountControl $ accountExpires $ nsAccountLock ) )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {home}/pid
TLSCertificateFile {home}/certificate.pem
TLSCertificateKeyFile {home}/key.pem
disallow bind_anon
database mdb
maxsize 67108864
suffix "{base}"
rootdn "{reader}"
rootpw "{password}"
directory {home}/db
index uid,sAMAccountName,member,memberUid eq
overlay ppolicy
security ssf=1
"""


class Slapd:
    """The server, while its context lasts. `url` is by StartTLS, `ldaps` encrypted from the start."""

    def __init__(self, home: Path) -> None:
        if shutil.which("slapd") is None and not Path("/usr/sbin/slapd").exists():
            pytest.skip("slapd is not installed: Debian's package `slapd`")
        self.home = home
        self.ca_file = home / "certificate.pem"
        self._plain, self._encrypted = free_port(), free_port()
        self.url, self.ldaps = f"ldap://localhost:{self._plain}", f"ldaps://localhost:{self._encrypted}"
        certificate(home)
        conf = _CONF.format(home=home, base=BASE, reader=READER, password=PASSWORD)
        (home / "slapd.conf").write_text(conf)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Slapd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, entries: Iterable[str]) -> None:
        """Hold these entries, and no others than the roots."""
        self.stop()
        shutil.rmtree(self.home / "db", ignore_errors=True)
        (self.home / "db").mkdir()
        roots = [
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Firma\ndc: firma",
            *(f"dn: {ou}\nobjectClass: organizationalUnit" for ou in (PEOPLE, GROUPS)),
        ]
        ldif = "\n\n".join([*roots, *entries]) + "\n"
        conf = str(self.home / "slapd.conf")
        loaded = subprocess.run(["/usr/sbin/slapadd", "-q", "-f", conf], input=ldif.encode(), capture_output=True)
        assert loaded.returncode == 0, loaded.stderr.decode()
        urls = f"ldap://127.0.0.1:{self._plain} ldaps://127.0.0.1:{self._encrypted}"
        self._process = subprocess.Popen(
            ["/usr/sbin/slapd", "-h", urls, "-f", conf, "-d", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(timeout=20)

    def hang(self, *, on: bool) -> None:
        """Takes connections and says nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def _wait(self) -> None:
        for _ in range(600):
            assert self._process and self._process.poll() is None, "slapd does not start"
            try:
                socket.create_connection(("127.0.0.1", self._plain), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("slapd does not listen")


def person(name: str, **attributes: str) -> str:
    more = "".join(f"\n{key}: {value}" for key, value in {"uid": name, **attributes}.items())
    return f"dn: uid={name},{PEOPLE}\nobjectClass: inetOrgPerson\nobjectClass: adAccount\ncn: {name}\nsn: {name}{more}"


def group(name: str, *members: str) -> str:
    """A group of entries; a name without "=" is a person's."""
    listed = "".join(f"\nmember: {one if '=' in one else f'uid={one},{PEOPLE}'}" for one in members)
    return f"dn: cn={name},{GROUPS}\nobjectClass: groupOfNames\ncn: {name}{listed}"


def in_group(name: str) -> str:
    return f"cn={name},{GROUPS}"


def posix_group(name: str, number: int, *uids: str) -> str:
    listed = "".join(f"\nmemberUid: {uid}" for uid in uids)
    return f"dn: cn={name},{GROUPS}\nobjectClass: posixGroup\ncn: {name}\ngidNumber: {number}{listed}"


def certificate(home: Path) -> None:
    """A certificate for localhost that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (home / "certificate.pem").write_bytes(made.public_bytes(encoding))
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "key.pem").write_bytes(private)

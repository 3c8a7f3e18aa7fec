"""TLS of our own: what is wrong is said before anybody connects; what is right is spoken as 1.2 or newer."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rag.api.http import create_app
from rag.api.tls import Renewal, context
from rag.credentials.identified import INTRANET, READING
from rag.errors import SettingsError
from tests.doors.http.house import House


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path


def pair(
    folder: Path, name: str = "archivar", *, begins: int = -1, ends: int = 30, password: bytes | None = None
) -> Pair:
    """A certificate for localhost, signed by itself; `begins` and `ends` are days from today."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) + timedelta(days=begins))
        .not_valid_after(datetime.now(UTC) + timedelta(days=ends))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(private, hashes.SHA256())
    )
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    found = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    found.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.touch(0o600)
    found.key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))
    return found


@contextmanager
def listening(house: House, tls: ssl.SSLContext) -> Iterator[int]:
    """The door over TLS, as `rag serve` sets it up; gives its port."""
    config = uvicorn.Config(create_app(house), log_config=None, server_header=False, proxy_headers=False)
    config.load()
    config.ssl = tls
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def test_the_door_speaks_tls_and_takes_keys_over_it(house: House, tmp_path: Path) -> None:
    files = pair(tmp_path)
    _, key = house.keys.add("key", user="anna", scopes=READING, channel=INTRANET, days=None)
    trusting = ssl.create_default_context(cafile=str(files.cert))
    with (
        listening(house, context(files.cert, files.key)) as port,
        httpx.Client(verify=trusting, trust_env=False, timeout=30) as client,
    ):
        response = client.get(f"https://localhost:{port}/readyz", headers={"authorization": f"Bearer {key}"})
        assert response.status_code == 200
        assert response.headers["strict-transport-security"] == "max-age=31536000"
        for version, spoken in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)):
            assert speaks(port, version) is spoken
        with pytest.raises(httpx.TransportError):
            client.get(f"http://localhost:{port}/readyz")


def speaks(port: int, version: ssl.TLSVersion) -> bool:
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    asking.minimum_version = asking.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        try:
            asking.wrap_socket(line, server_hostname="localhost").close()
        except ssl.SSLError:
            return False
    return True


def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path) -> None:
    files = pair(tmp_path)
    assert context(files.cert, files.key).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    one, other = pair(tmp_path, "one"), pair(tmp_path, "other")
    with pytest.raises(SettingsError, match="does not belong to the certificate"):
        context(one.cert, other.key)


@pytest.mark.parametrize(
    ("begins", "ends", "said"), [(-30, -1, "has expired"), (1, 30, "is not valid yet"), (-1, 1, "")]
)
def test_a_certificate_that_is_not_valid_today_is_told(tmp_path: Path, begins: int, ends: int, said: str) -> None:
    files = pair(tmp_path, begins=begins, ends=ends)
    if not said:
        assert context(files.cert, files.key)
        return
    with pytest.raises(SettingsError, match=said):
        context(files.cert, files.key)


def test_a_wrong_file_is_told_by_its_option(tmp_path: Path) -> None:
    files = pair(tmp_path)
    rubbish = tmp_path / "rubbish.pem"
    rubbish.touch(0o600)
    rubbish.write_text("no such thing")
    for cert, key, said in (
        (tmp_path / "nowhere.pem", files.key, "--tls-cert cannot be read: No such file"),
        (files.cert, tmp_path, "--tls-key cannot be read: Is a directory"),
        (rubbish, files.key, "holds no certificate in PEM form, as --tls-cert"),
        (files.cert, rubbish, "holds no private key in PEM form, as --tls-key"),
        (files.key, files.cert, "holds no certificate"),
    ):
        if cert is files.key:
            files.cert.chmod(0o600)
        with pytest.raises(SettingsError, match=said):
            context(cert, key)


def test_a_key_with_a_password_does_not_wait_for_somebody_to_type_it(tmp_path: Path) -> None:
    files = pair(tmp_path, password=b"geheim")
    with pytest.raises(SettingsError, match="protected by a password"):
        context(files.cert, files.key)


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    files = pair(tmp_path)
    files.key.chmod(0o644)
    with pytest.raises(SettingsError, match=r"mode 0644.*chmod 600"):
        context(files.cert, files.key)
    files.key.chmod(0o640)
    assert context(files.cert, files.key), "a group of the system's for such keys"


def served_serial(port: int) -> bytes:
    """The certificate that is shown, as DER."""
    told = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    told.check_hostname, told.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain, told.wrap_socket(plain) as secure:
        return secure.getpeercert(binary_form=True) or b""


def replace_by(own: Pair, other: Pair) -> None:
    other.cert.replace(own.cert)
    other.key.replace(own.key)


def test_a_renewed_certificate_is_in_use_without_a_restart(house: House, tmp_path: Path) -> None:
    own = pair(tmp_path)
    renewal = Renewal(own.cert, own.key)
    with listening(house, renewal.context) as port:
        first = served_serial(port)
        renewal.look()
        assert served_serial(port) == first
        replace_by(own, pair(tmp_path, "renewed"))
        renewal.look()
        assert served_serial(port) != first


@pytest.mark.parametrize("broken", ["no certificate", "another key", "expired", "gone"])
def test_a_renewed_certificate_that_cannot_be_used_leaves_the_old_one_in_use(
    house: House, tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = pair(tmp_path)
    renewal = Renewal(own.cert, own.key)
    with listening(house, renewal.context) as port:
        first = served_serial(port)
        if broken == "no certificate":
            own.cert.write_text("nothing of the kind")
        elif broken == "another key":
            pair(tmp_path, "other").key.replace(own.key)
        elif broken == "expired":
            replace_by(own, pair(tmp_path, "old", begins=-9, ends=-1))
        else:
            own.cert.unlink()
        with caplog.at_level("WARNING"):
            renewal.look()
            renewal.look()
        assert served_serial(port) == first
        assert [record.action for record in caplog.records] == ["certificate_not_renewed"]  # once


def test_what_watches_the_certificate_looks_by_itself_and_ends(tmp_path: Path) -> None:
    own = pair(tmp_path)
    renewal = Renewal(own.cert, own.key)
    looked = threading.Event()
    renewal.look = looked.set  # type: ignore[method-assign]  # only whether it is called
    renewal.keep_looking(every_s=0.01)
    assert looked.wait(10)
    renewal.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "certificate"]

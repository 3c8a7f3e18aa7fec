"""A name that only two people together can read: sealed for two public keys at once, opened by both private keys.

The service keeps the public halves alone, so that neither it, nor root who reads its files later, nor one of the two
can open what was sealed. X25519 agrees on a secret with each of the two, both secrets make the key (HKDF), and
ChaCha20-Poly1305 seals. Names are padded to one length.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NAME_BYTES = 256
_TAG_BYTES = 16
_NONCE = bytes(12)
"""Always the same: each sealing has a key of its own, used once."""
KEY_BYTES = 32


def new_private() -> bytes:
    """A private key: 32 random bytes."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_of(private: bytes) -> bytes:
    """The public half of a private key.

    Raises:
        ValueError: it is not 32 bytes.
    """
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal(name: str, publics: tuple[bytes, bytes]) -> bytes:
    """A name that both private keys together open; each sealing of the same name looks another.

    Raises:
        ValueError: it is longer than 254 bytes, or a key is none.
    """
    content = name.encode("utf-8", "surrogatepass")
    if len(content) > _NAME_BYTES - 2:
        raise ValueError("a name is at most 254 bytes long")
    once = new_private()
    point = public_of(once)
    key = _key(point, [_agreed(once, public) for public in publics], publics)
    padded = len(content).to_bytes(2, "big") + content.ljust(_NAME_BYTES - 2, b"\0")
    return point + key.encrypt(_NONCE, padded, None)


def open_sealed(sealed: bytes, privates: tuple[bytes, bytes]) -> str | None:
    """The name, or None where these are not the two keys it was sealed for, in the order it was, or it was changed."""
    if len(sealed) != KEY_BYTES + _NAME_BYTES + _TAG_BYTES:
        return None
    point, hidden = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
    publics = (public_of(privates[0]), public_of(privates[1]))
    try:
        key = _key(point, [_agreed(private, point) for private in privates], publics)
        padded = key.decrypt(_NONCE, hidden, None)
    except (InvalidTag, ValueError):  # the library refuses points that agree on nothing
        return None
    return padded[2 : 2 + int.from_bytes(padded[:2], "big")].decode("utf-8", "surrogatepass")


def _agreed(private: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def _key(point: bytes, shared: list[bytes], publics: tuple[bytes, bytes]) -> ChaCha20Poly1305:
    salt = b"".join([point, *publics])
    made = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=b"archivar sealed name 1")
    return ChaCha20Poly1305(made.derive(b"".join(shared)))

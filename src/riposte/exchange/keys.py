"""API keys and signatures: who asks, and whether the request is really theirs.

A signature is made over the raw query string and the raw body, one after the other, without the
``signature`` parameter ("SIGNED Endpoint security", Binance): HMAC-SHA256 in hexadecimal for a
secret, Ed25519 or RSA (PKCS#1 v1.5, SHA-256) in base64 for a public key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from riposte.errors import InputError
from riposte.exchange.records import Account

PublicKey = Ed25519PublicKey | RSAPublicKey


@dataclass(slots=True)
class ApiKey:
    """One key of an account; ``secret`` for HMAC or ``public`` for a key pair."""

    key: str
    account: Account
    secret: bytes = b""
    public: PublicKey | None = None
    can_trade: bool = True
    can_withdraw: bool = False
    ip_restricted: bool = True
    allowed_ips: tuple[str, ...] = ()
    """Addresses it may come from; empty: any."""
    created_ms: int = 0
    _hmac: hmac.HMAC | None = field(default=None, repr=False)

    def signs(self, payload: bytes, signature: str) -> bool:
        """Whether a signature is this key's own over ``payload``."""
        if self.public is None:
            return self._signs_hmac(payload, signature)
        try:
            raw = base64.b64decode(unquote(signature), validate=True)
        except (binascii.Error, ValueError):
            return False
        try:
            if isinstance(self.public, Ed25519PublicKey):
                self.public.verify(raw, payload)
            else:
                self.public.verify(raw, payload, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def _signs_hmac(self, payload: bytes, signature: str) -> bool:
        if self._hmac is None:
            self._hmac = hmac.new(self.secret, digestmod=hashlib.sha256)
        mac = self._hmac.copy()
        mac.update(payload)
        return hmac.compare_digest(mac.hexdigest().encode(), signature.lower().encode())


def public_key(pem: str) -> PublicKey:
    """An Ed25519 or RSA public key.

    Raises:
        InputError: if the text is neither.
    """
    try:
        key = load_pem_public_key(pem.strip().encode())
    except ValueError as error:
        raise InputError("the public key is not in PEM form") from error
    if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
        raise InputError("the public key must be Ed25519 or RSA")
    return key


def without_signature(raw: str) -> tuple[str, str]:
    """A query string or body without its signature, and the signature ("" if it has none)."""
    start = raw.find("signature=")
    while start > 0 and raw[start - 1] != "&":
        start = raw.find("signature=", start + 1)
    if start < 0:
        return raw, ""
    end = raw.find("&", start)
    if end < 0:
        return raw[: max(0, start - 1)], raw[start + 10 :]
    return raw[:start] + raw[end + 1 :], raw[start + 10 : end]

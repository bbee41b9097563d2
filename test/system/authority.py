# SPDX-License-Identifier: ISC
"""Certificates for tests: an authority of our own, and what it (or nobody) vouches for.

    ca = Authority(folder)
    ca.file                                    # PEM, for outbound-ca
    context = ca.server("mx.example.net")      # an ssl.SSLContext; expired=True, self_signed=True
    ca.tlsa("mx.example.net", 3, 1, 1)         # "3 1 1 ab12…" of the certificate last made for that name
"""
import datetime
import hashlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.cert = self.make(name("Test Authority"), self.key, (), authority=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.cert.public_bytes(PEM))
        self.made = {}

    def make(self, subject, key, names, expired=False, self_signed=False, authority=False):
        now = datetime.datetime.utcnow()
        end = now - datetime.timedelta(days=1) if expired else now + datetime.timedelta(days=30)
        issuer, signer = (subject, key) if self_signed or authority else (self.cert.subject, self.key)
        b = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        b = b.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=60)).not_valid_after(end)
        b = b.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if names:
            b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        return b.sign(signer, hashes.SHA256())

    def server(self, *names, with_authority=False, subject=None, **how):
        """A context for servers; `subject` is the common name, where it shall differ; without names it stands alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self.make(name(subject or names[0]), key, names, **how)
        path = self.folder / f"{subject or names[0]}-{len(self.made)}.pem"
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        chain = cert.public_bytes(PEM) + (self.cert.public_bytes(PEM) if with_authority else b"")
        path.write_bytes(private + chain)
        for n in names:
            self.made[n] = cert
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def tlsa(self, host, usage, selector, matching):
        cert = self.cert if usage in (0, 2) else self.made[host]
        public = cert.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        data = public if selector else cert.public_bytes(DER)
        if matching:
            data = hashlib.new(("sha256", "sha512")[matching - 1], data).digest()
        return f"{usage} {selector} {matching} {data.hex()}"

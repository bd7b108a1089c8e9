# SPDX-License-Identifier: Apache-2.0
"""The second opinion about post-quantum recipients of the age format (c2sp.org/age, the kind mlkem768x25519), which Debian's
age and pyrage do not know: by the words of its specification, with the HPKE of pyca/cryptography.

age_hybrid.py keygen FILE                   writes an identity as age-keygen -pq does, and prints its recipient
age_hybrid.py encrypt RECIPIENT FILE…       writes FILE.theirs for each
age_hybrid.py decrypt IDENTITY-FILE FILE…   writes FILE.plain for each
"""
import base64
import hashlib
import hmac
import os
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
INFO = b"age-encryption.org/mlkem768x25519"
MLKEM_BYTES, SHARE_BYTES, CHUNK = 1184, 1120, 65536
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def checksum(prefix, values):
    """BIP 173."""
    total = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top = total >> 25
        total = (total & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            total ^= generator if top >> bit & 1 else 0
    return total


def bech32(prefix, content):
    bits = "".join(f"{byte:08b}" for byte in content)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    check = checksum(prefix, values + [0] * 6) ^ 1
    return prefix + "1" + "".join(LETTERS[v] for v in values + [check >> 5 * (5 - at) & 31 for at in range(6)])


def unbech32(prefix, text):
    if not text.startswith(prefix + "1"):
        sys.exit(f"not of the kind {prefix}")
    values = [LETTERS.index(letter) for letter in text[len(prefix) + 1 :]]
    if checksum(prefix, values) != 1:
        sys.exit("a wrong checksum")
    bits = "".join(f"{value:05b}" for value in values[:-6])
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))


def raw(content):
    return base64.b64encode(content).rstrip(b"=")


def unraw(text):
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def derived(key, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(key)


def private(seed):
    """X-Wing: one seed for both keys."""
    both = hashlib.shake_256(seed).digest(96)
    return mlkem.MLKEM768PrivateKey.from_seed_bytes(both[:64]), x25519.X25519PrivateKey.from_private_bytes(both[64:])


def recipient(seed):
    ours = private(seed)
    return bech32("age1pq", ours[0].public_key().public_bytes_raw() + ours[1].public_key().public_bytes_raw())


def code(key, header):
    return raw(hmac.new(derived(key, None, b"header"), header, hashlib.sha256).digest())


def nonce(number, is_last):
    return number.to_bytes(11, "big") + bytes([is_last])


def encrypt(text, plain):
    point = unbech32("age1pq", text)
    key = hpke.MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(point[:MLKEM_BYTES]),
        x25519.X25519PublicKey.from_public_bytes(point[MLKEM_BYTES:]),
    )
    file_key, salt = os.urandom(16), os.urandom(16)
    sealed = SUITE.encrypt(file_key, key, INFO)
    stanza = [b"-> mlkem768x25519 " + raw(sealed[:SHARE_BYTES]), raw(sealed[SHARE_BYTES:])]
    header = b"\n".join([b"age-encryption.org/v1", *stanza, b"---"])
    aead = ChaCha20Poly1305(derived(file_key, salt, b"payload"))
    last = max(0, len(plain) - 1) // CHUNK
    chunks = [plain[number * CHUNK : (number + 1) * CHUNK] for number in range(last + 1)]
    payload = b"".join(aead.encrypt(nonce(number, number == last), chunk, None) for number, chunk in enumerate(chunks))
    return header + b" " + code(file_key, header) + b"\n" + salt + payload


def decrypt(seed, file):
    header, rest = file.split(b"\n--- ", 1)
    header += b"\n---"
    found, rest = rest[:43], rest[44:]
    lines = header.split(b"\n")
    for at, line in enumerate(lines):
        words = line.split(b" ")
        if words[:2] != [b"->", b"mlkem768x25519"]:
            continue
        try:
            key = SUITE.decrypt(unraw(words[2]) + unraw(lines[at + 1]), hpke.MLKEM768X25519PrivateKey(*private(seed)), INFO)
            break
        except Exception:  # Another recipient's.
            continue
    else:
        sys.exit("it is for somebody else")
    if not hmac.compare_digest(code(key, header), found):
        sys.exit("the authentication code is wrong")
    aead = ChaCha20Poly1305(derived(key, rest[:16], b"payload"))
    sealed = rest[16:]
    last = max(0, len(sealed) - 1) // (CHUNK + 16)
    return b"".join(
        aead.decrypt(nonce(number, number == last), sealed[number * (CHUNK + 16) : (number + 1) * (CHUNK + 16)], None)
        for number in range(last + 1)
    )


def identity(file):
    lines = [line for line in pathlib.Path(file).read_text().splitlines() if line and not line.startswith("#")]
    return unbech32("age-secret-key-pq-", lines[0].lower())


command, subject, files = sys.argv[1], sys.argv[2], [pathlib.Path(name) for name in sys.argv[3:]]
if command == "keygen":
    fresh = os.urandom(32)
    text = bech32("age-secret-key-pq-", fresh).upper()
    pathlib.Path(subject).write_text(f"# public key: {recipient(fresh)}\n{text}\n")
    pathlib.Path(subject).chmod(0o600)
    print(recipient(fresh))
for file in files:
    content = file.read_bytes()
    if command == "encrypt":
        file.with_name(file.name + ".theirs").write_bytes(encrypt(subject, content))
    else:
        file.with_name(file.name + ".plain").write_bytes(decrypt(identity(subject), content))

# SPDX-License-Identifier: Apache-2.0
"""The second opinion about the age format: rage, by way of pyrage.

age.py FOLDER: `recipient`, `identity` and `passphrase` hold the keys. For each `<n>.plain` it decrypts `<n>.ours` (and
`<n>.ours-passphrase`, where there is one), compares, and writes `<n>.theirs` (and `<n>.theirs-passphrase` for those that
have a file `<n>.wants-passphrase`). Prints the number of files that it read and found right.
"""
import pathlib
import sys

import pyrage

folder = pathlib.Path(sys.argv[1])
recipient = pyrage.x25519.Recipient.from_str((folder / "recipient").read_text().strip())
identity = pyrage.x25519.Identity.from_str((folder / "identity").read_text().strip())
passphrase = (folder / "passphrase").read_text().strip()

right = 0
for plain in sorted(folder.glob("*.plain")):
    content = plain.read_bytes()
    if pyrage.decrypt(plain.with_suffix(".ours").read_bytes(), [identity]) != content:
        sys.exit(f"{plain.name}: it does not come back")
    right += 1
    plain.with_suffix(".theirs").write_bytes(pyrage.encrypt(content, [recipient]))
    sealed = plain.with_suffix(".ours-passphrase")
    if sealed.exists():
        if pyrage.passphrase.decrypt(sealed.read_bytes(), passphrase) != content:
            sys.exit(f"{plain.name}: it does not come back by its passphrase")
        right += 1
    if plain.with_suffix(".wants-passphrase").exists():
        plain.with_suffix(".theirs-passphrase").write_bytes(pyrage.passphrase.encrypt(content, passphrase))
print(right)

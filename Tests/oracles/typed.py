# SPDX-License-Identifier: Apache-2.0
"""Runs a program that asks for a passphrase, as age -p does, on a terminal of its own, and types it.

typed.py PASSPHRASE PROGRAM WORD…    ends as the program does; what it said on the terminal goes to standard error
"""
import os
import pty
import sys

passphrase, words = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(words[0], words)
said, answered = b"", 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:  # The program closed the terminal.
        break
    if not piece:
        break
    said += piece
    # It asks once, and once more to confirm.
    while answered < said.lower().count(b"passphrase") and said.rstrip().endswith(b":"):
        answered = said.lower().count(b"passphrase")
        os.write(terminal, passphrase.encode() + b"\n")
sys.stderr.write(said.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

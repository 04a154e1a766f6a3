"""Hashes of passwords by Python's hashlib: `PASSWORD ROUNDS` prints one, `PASSWORD check HASH` whether it is its hash."""
import base64
import hashlib
import os
import sys


def b64(octets):
    return base64.b64encode(octets).decode().rstrip("=")


password = sys.argv[1].encode()
if sys.argv[2] == "check":
    _, kind, rounds, salt, hashed = sys.argv[3].split("$")
    rounds, salt = int(rounds.removeprefix("i=")), base64.b64decode(salt + "=" * (-len(salt) % 4))
    print(kind == "pbkdf2-sha256" and b64(hashlib.pbkdf2_hmac("sha256", password, salt, rounds)) == hashed)
else:
    salt, rounds = os.urandom(16), int(sys.argv[2])
    print(f"$pbkdf2-sha256$i={rounds}${b64(salt)}${b64(hashlib.pbkdf2_hmac('sha256', password, salt, rounds))}")

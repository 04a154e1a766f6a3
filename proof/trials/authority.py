"""An authority of our own, by openssl, and the certificates that it issues."""
import os
import subprocess
from pathlib import Path

CURVE = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
EXTENSIONS = """subjectAltName=DNS:localhost,IP:127.0.0.1
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
crlDistributionPoints=URI:http://127.0.0.1:9/none.crl
"""


def openssl(folder, line):
    done = subprocess.run(["openssl", *line.split()], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"openssl {line}: {done.stderr}")
    return done.stdout


def found(folder):
    """`ca.pem`, and a certificate for localhost in `site.pem` and `site.key`."""
    openssl(folder, f"req -x509 {CURVE} -days 60 -keyout ca.key -out ca.pem -subj /CN=Proof -addext "
                    "keyUsage=critical,keyCertSign,cRLSign")
    return issue(folder, "site")


def issue(folder, name):
    """`NAME.pem` and `NAME.key`; the serial number, as Python's ssl has it."""
    Path(folder, f"{name}.ext").write_text(EXTENSIONS)
    openssl(folder, f"req -new {CURVE} -keyout {name}.key -out {name}.csr -subj /CN=localhost")
    openssl(folder, f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -days 90 -extfile {name}.ext -out {name}.pem")
    # nginx's worker is another user.
    os.chmod(Path(folder, f"{name}.key"), 0o644)
    return openssl(folder, f"x509 -noout -serial -in {name}.pem").strip().removeprefix("serial=")


def put(folder, name, at="site"):
    """Puts a pair in the place of another, one file after the other."""
    for ending in ("key", "pem"):
        next_one = Path(folder, f"next.{ending}")
        next_one.write_bytes(Path(folder, f"{name}.{ending}").read_bytes())
        next_one.rename(Path(folder, f"{at}.{ending}"))

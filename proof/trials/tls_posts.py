"""Posts by Python's clients, each with one session: `tls_posts.py requests|httpx URL COUNT [AUTHORITY]`.

Prints how many answers were right, how many wrong and how many calls failed, then the client with its version and what
the first failure said.
"""
import sys

kind, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
authority = sys.argv[4] if len(sys.argv) > 4 else None
if kind == "requests":
    import requests

    session = requests.Session()
    session.trust_env = False
    session.verify = authority or True
    version = requests.__version__
else:
    import ssl

    import httpx

    session = httpx.Client(verify=ssl.create_default_context(cafile=authority), trust_env=False)
    version = httpx.__version__
right, wrong, failures = 0, 0, []
for n in range(count):
    try:
        reply = session.post(f"{url}/add", json={"a": 1200, "b": n})
        is_right = reply.status_code == 200 and reply.text == str(1200 + n)
        right, wrong = right + is_right, wrong + (not is_right)
    except Exception as error:  # Whatever it is, it is a call that failed.
        failures.append(repr(error))
print(right, wrong, len(failures))
print(f"{kind} {version}; Python {sys.version.split()[0]}", *failures[:1])

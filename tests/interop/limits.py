"""What Python's http.client sees of limits: `status URL` prints code and Retry-After, `retried URL CLIENT` four codes."""
import http.client
import sys
from urllib.parse import urlsplit

what, url = sys.argv[1:3]
parts = urlsplit(url)
target = parts.path + (f"?{parts.query}" if parts.query else "")


def ask(headers):
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", target, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


if what == "status":
    answer = ask({})
    print(answer.status, answer.getheader("Retry-After"))
else:
    print(*(ask({"X-Forwarded-For": sys.argv[3]}).status for _ in range(4)))

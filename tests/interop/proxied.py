"""Asks through a forward proxy, by urllib, requests and httpx: PROXY CA URL HTTPS-URL.

Prints a line for each client and URL: `urllib-open BODY`, `urllib-tls BODY`, …"""

import os
import ssl
import sys
import urllib.request

import httpx
import requests

proxy, ca, plain, secret = sys.argv[1:]
for name in ("http_proxy", "https_proxy", "no_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)
context = ssl.create_default_context(cafile=ca)

opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"http": proxy, "https": proxy}),
    urllib.request.HTTPSHandler(context=context),
)
for kind, url in (("open", plain), ("tls", secret)):
    print(f"urllib-{kind}", opener.open(url, timeout=30).read().decode().strip())

with requests.Session() as session:
    session.trust_env = False
    session.proxies = {"http": proxy, "https": proxy}
    for kind, url in (("open", plain), ("tls", secret)):
        answer = session.get(url, timeout=30, verify=ca)
        answer.raise_for_status()
        print(f"requests-{kind}", answer.text.strip())

with httpx.Client(proxy=proxy, verify=context, trust_env=False, timeout=30) as client:
    for kind, url in (("open", plain), ("tls", secret)):
        answer = client.get(url)
        answer.raise_for_status()
        print(f"httpx-{kind}", answer.text.strip())

"""Asks the service in this container whether it lives, for Docker's HEALTHCHECK: exit code 0 or 1, no words.

HEALTHZ_URL is where (http://127.0.0.1:8088/healthz). The certificate is not checked: it is for another name, and who
answers on loopback in here is us.
"""

import os
import ssl
import sys
import urllib.request

url = os.environ.get("HEALTHZ_URL", "http://127.0.0.1:8088/healthz")
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
)
try:
    with opener.open(url, timeout=4) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError:
    sys.exit(1)

"""Call a function with Python's standard library.

``JELOU_FUNCTION_URL`` and ``JELOU_FUNCTION_TOKEN`` say where and as whom.
"""

import json
import os
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

request = Request(
    os.environ["JELOU_FUNCTION_URL"],
    headers={
        "Content-Type": "application/json",
        "X-Jelou-Token": os.environ["JELOU_FUNCTION_TOKEN"],
    },
    data=json.dumps({"phone": "593987654321"}).encode(),
    method="POST",
)

try:
    with urlopen(request, timeout=30) as response:
        print(json.dumps(json.load(response), ensure_ascii=False))
except HTTPError as error:
    sys.exit(f"{error.code}: {error.read().decode()}")

"""Call a function with requests (``pip install requests``), as the platform's pages show it.

``JELOU_FUNCTION_URL`` and ``JELOU_FUNCTION_TOKEN`` say where and as whom.
"""

import json
import os
import sys

import requests

res = requests.post(
    os.environ["JELOU_FUNCTION_URL"],
    headers={
        "Content-Type": "application/json",
        "X-Jelou-Token": os.environ["JELOU_FUNCTION_TOKEN"],
    },
    json={"phone": "593987654321"},
    timeout=30,
)

if not res.ok:
    sys.exit(f"{res.status_code}: {res.text}")
data = res.json()
print(json.dumps(data, ensure_ascii=False))

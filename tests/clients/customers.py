"""What the example function answers to every client."""

import json

from tests.support.edge import PYTHON_FUNCTION

ANA = {"id": "c1", "name": "Ana Torres", "phone": "593987654321", "city": "Guayaquil"}
OPERATIONS = {
    operation["operationId"]
    for path in json.loads((PYTHON_FUNCTION / "openapi.json").read_text("utf-8"))["paths"].values()
    for operation in path.values()
    if "operationId" in operation
}

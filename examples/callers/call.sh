#!/bin/sh
# Call a function with curl.
# JELOU_FUNCTION_URL and JELOU_FUNCTION_TOKEN say where and as whom; PHONE is optional.
set -eu

curl --fail-with-body --silent --show-error -X POST "$JELOU_FUNCTION_URL" \
  -H "Content-Type: application/json" \
  -H "X-Jelou-Token: $JELOU_FUNCTION_TOKEN" \
  -d "{\"phone\": \"${PHONE:-593987654321}\"}"
echo

#!/bin/sh
# Builds the image with whichever engine is there: build.sh NAME [ARGUMENTS OF THE ENGINE]
set -eu
cd "$(dirname "$0")/../../.."
name=${1:?give the image a name}
shift
for engine in podman docker; do
  if command -v "$engine" >/dev/null; then
    exec "$engine" build --file examples/deploying/container/Containerfile --tag "$name" "$@" .
  fi
done
if command -v buildah >/dev/null; then
  exec buildah build --file examples/deploying/container/Containerfile --tag "$name" "$@" .
fi
echo "Neither podman, docker nor buildah is installed." >&2
exit 1

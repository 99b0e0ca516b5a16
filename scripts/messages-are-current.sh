#!/usr/bin/env bash
# Fails when the generated code of src/impl/vm/messages is not what its .proto files say. `npm run generate` mends it.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh"
generated=src/impl/vm/messages/generated
diff -r "$fresh/$generated" "$generated" || stop "$generated is out of date: run npm run generate"

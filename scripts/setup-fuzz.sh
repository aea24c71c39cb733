#!/usr/bin/env bash
# What `make fuzz` needs beyond scripts/setup.sh: Clang with libFuzzer. `make test` does without. A second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
has_fuzzer() { [ -e "$(clang++-14 -print-file-name="lib/linux/libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null)" ]; }
if ! has_fuzzer && command -v apt-get >/dev/null; then
  root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  scripts/step "apt: Clang with libFuzzer" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends clang-14 libclang-rt-14-dev
fi
has_fuzzer || { echo "clang++-14 with libFuzzer is needed (Debian: clang-14 and libclang-rt-14-dev)" >&2; exit 1; }

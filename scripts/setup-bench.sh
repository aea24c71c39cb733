#!/usr/bin/env bash
# The peers' own environment for `make bench-windows`: .venv-bench, and a Java runtime for Spark. A second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
step=scripts/step
wanted=benchmarks/windows/requirements.txt
if ! command -v java >/dev/null && command -v apt-get >/dev/null; then
  root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  $step "apt: a Java runtime for Spark" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends default-jre-headless
fi
if [ "$(cat .venv-bench/requirements.stamp 2>/dev/null)" != "$(sha256sum <$wanted)" ]; then
  $step "venv: peers" .venv/bin/python -m venv --clear .venv-bench
  $step "pip: $wanted" .venv-bench/bin/python -m pip --disable-pip-version-check install -r $wanted
  sha256sum <$wanted >.venv-bench/requirements.stamp
fi

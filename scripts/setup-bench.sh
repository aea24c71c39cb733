#!/usr/bin/env bash
# The peers' own environment for `make bench-windows` or `make bench-ensembles`: .venv-bench, with a Java runtime for Spark, or
# .venv-bench-ensembles, with a second XGBoost. A second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
step=scripts/step
what=${1:-windows}
wanted=benchmarks/$what/requirements.txt
venv=.venv-bench
[ "$what" = windows ] || venv=.venv-bench-$what
if [ "$what" = windows ] && ! command -v java >/dev/null && command -v apt-get >/dev/null; then
  root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  $step "apt: a Java runtime for Spark" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends default-jre-headless
fi
if [ "$(cat $venv/requirements.stamp 2>/dev/null)" != "$(sha256sum <$wanted)" ]; then
  $step "venv: peers" .venv/bin/python -m venv --clear $venv
  $step "pip: $wanted" $venv/bin/python -m pip --disable-pip-version-check install -r $wanted
  if [ "$what" = ensembles ]; then  # its wheel asks for a newer Python than its library needs
    newer=xgboost==3.4.1
    $step "pip: $newer, the library alone" $venv/bin/python -m pip --disable-pip-version-check download --no-deps \
      --python-version 3.12 --only-binary=:all: -d $venv/wheels $newer
    $step "unpack: $newer" .venv/bin/python -m zipfile -e $venv/wheels/xgboost-3.4.1-*.whl $venv/xgboost-3.4.1
  fi
  sha256sum <$wanted >$venv/requirements.stamp
fi

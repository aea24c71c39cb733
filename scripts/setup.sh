#!/usr/bin/env bash
# Everything the Makefile needs, on a machine that has none of it. A second run finds its stamps and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
step=scripts/step

# 1. Debian packages, only the missing ones.
mapfile -t wanted < <(grep -v '^#' scripts/debian-packages.txt)
if command -v dpkg-query >/dev/null; then
  missing=()
  for package in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    root=()
    if [ "$(id -u)" -ne 0 ]; then
      command -v sudo >/dev/null || { echo "run as root, or install: ${missing[*]}" >&2; exit 1; }
      sudo -v  # asks for the password here, where it can be seen
      root=(sudo)
    fi
    echo "Debian packages to install: ${missing[*]}"
    $step "apt: package lists" "${root[@]}" apt-get update -q
    $step "apt: ${#missing[@]} packages" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends "${missing[@]}"
  fi
else
  echo "not a Debian system: taking for granted the equivalents of: ${wanted[*]}"
fi

# 2. .venv, from the first Python that is new enough and can make one that compiles extensions.
usable='import sys, sysconfig, os, venv, ensurepip
assert sys.version_info >= (3, 11) and os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))'
if ! .venv/bin/python -c "$usable" 2>/dev/null; then
  python=
  for candidate in "${PYTHON:-python3}" /usr/bin/python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c "$usable" 2>/dev/null; then python=$candidate; break; fi
  done
  [ -n "$python" ] || { echo "no Python >= 3.11 with venv and headers found; name one with PYTHON=..." >&2; exit 1; }
  $step "venv: $("$python" --version)" "$python" -m venv --clear .venv
fi

# 3. Python packages, exactly scripts/requirements.txt. pip runs under the user's own configuration.
pip=(.venv/bin/python -m pip --disable-pip-version-check)
stamp() { cat "$@" | sha256sum; }
if [ "$(cat .venv/requirements.stamp 2>/dev/null)" != "$(stamp scripts/requirements.txt)" ]; then
  $step "pip: scripts/requirements.txt" "${pip[@]}" install -r scripts/requirements.txt
  stamp scripts/requirements.txt >.venv/requirements.stamp
fi

# 4. featlib itself, as a link to python/: Python edits are live, and the CMake build puts the extension there, so the
# library is compiled once for the C++ tests and for Python. (Spelled out: the pip of Debian 12 has no -C.)
if [ "$(cat .venv/featlib.stamp 2>/dev/null)" != "$(stamp pyproject.toml include/featlib/version.hpp)" ]; then
  $step "pip: featlib (linked)" "${pip[@]}" install --no-deps --no-build-isolation \
    --config-settings wheel.cmake=false --config-settings editable.mode=inplace -e .
  stamp pyproject.toml include/featlib/version.hpp >.venv/featlib.stamp
fi

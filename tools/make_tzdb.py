#!/usr/bin/env python3
"""Writes src/tzdb_data.inc: the IANA time-zone database, from one pinned release of the PyPI package `tzdata`.

    python3 tools/make_tzdb.py            # rewrites src/tzdb_data.inc
    python3 tools/make_tzdb.py --check    # fails when the file is not what this script writes

Raising RELEASE changes calendar parts and naive timestamps, and with them the semantic fingerprint of every contract:
say so under Numerics in the changelog.
"""

import argparse
import base64
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import venv

RELEASE = "2026.6"
TARGET = pathlib.Path(__file__).resolve().parent.parent / "src" / "tzdb_data.inc"


def second_block(tzif: bytes) -> bytes:
    """The 64-bit half of a TZif file. The first half repeats it with 32 bits for readers older than 2005."""
    start = tzif.index(b"TZif", 4)
    if tzif[4:5] < b"2" or not tzif.endswith(b"\n"):
        raise SystemExit("not a TZif file of version 2 or later")
    return tzif[start:]


def read_database(release: str) -> tuple[str, dict[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", f"tzdata=={release}"]
        subprocess.run(pip, check=True)
        package = next(pathlib.Path(folder).glob("lib/python*/site-packages/tzdata"))
        names = (package / "zones").read_text().split()
        version = next(line for line in (package / "__init__.py").read_text().splitlines() if "IANA_VERSION" in line)
        return version.split('"')[1], {name: second_block((package / "zoneinfo" / name).read_bytes()) for name in sorted(names)}


def render(version: str, zones: dict[str, bytes]) -> str:
    bodies = sorted(set(zones.values()))
    number = {body: i for i, body in enumerate(bodies)}
    out = [
        f"// IANA time-zone database {version}, written by tools/make_tzdb.py from tzdata {RELEASE} (PyPI). Do not edit.",
        "// zone_bodies: the 64-bit block and footer of each distinct TZif file (RFC 8536), base64. zone_names: sorted by bytes.",
        "",
        f'static constexpr std::string_view zone_version = "{version}";',
        "",
        "static constexpr std::string_view zone_bodies[] = {",
    ]
    for body in bodies:
        lines = textwrap.wrap(base64.b64encode(body).decode(), 120)
        out += [f'    "{line}"' for line in lines]
        out[-1] += ","
    out += ["};", "", "static constexpr ZoneName zone_names[] = {"]
    out += [f'    {{"{name}", {number[body]}}},' for name, body in zones.items()]
    return "\n".join(out + ["};", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    text = render(*read_database(RELEASE))
    if not check:
        TARGET.write_text(text)
    elif TARGET.read_text() != text:
        sys.exit(f"{TARGET.name} is not what tools/make_tzdb.py writes for tzdata {RELEASE}")


if __name__ == "__main__":
    main()

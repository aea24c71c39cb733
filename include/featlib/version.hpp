/// The one version number of featlib. CMake and pyproject.toml read it from here; tools/check_versions.py holds the
/// changelog to it.
#pragma once

#define FEATLIB_VERSION_MAJOR 0
#define FEATLIB_VERSION_MINOR 1
#define FEATLIB_VERSION_PATCH 0
#define FEATLIB_VERSION "0.1.0"

namespace featlib {

/// The version as text, e.g. "0.1.0".
inline constexpr char version[] = FEATLIB_VERSION;

}  // namespace featlib

# Everything our own sources include. Public headers include Boost's headers and none of the others, so an installed
# featlib asks its users for those and for what must be linked (see featlib-config.cmake.in).

# find_package, with an answer to "what do I install?" instead of CMake's page about config files.
macro(featlib_require debian_package)
  find_package(${ARGN} QUIET)
  if(NOT ${ARGV1}_FOUND)
    message(FATAL_ERROR "featlib needs ${ARGN}. On Debian and Ubuntu: apt install ${debian_package}")
  endif()
endmacro()

featlib_require(libfmt-dev fmt)
featlib_require(nlohmann-json3-dev nlohmann_json 3.10)
featlib_require(libyaml-cpp-dev yaml-cpp)
featlib_require(libssl-dev OpenSSL 3.0)
featlib_require(libsqlite3-dev SQLite3)
featlib_require(libboost1.81-dev Boost 1.81)
featlib_require(libc6-dev Threads)

# yaml-cpp gained its namespace in 0.8.
set(featlib_yaml yaml-cpp)
if(TARGET yaml-cpp::yaml-cpp)
  set(featlib_yaml yaml-cpp::yaml-cpp)
endif()

# nlohmann/json is headers alone and stays out of the export: who links featlib does not need it.
set(featlib_private_dependencies
  $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
  fmt::fmt ${featlib_yaml} OpenSSL::Crypto SQLite::SQLite3 Threads::Threads ${CMAKE_DL_LIBS})

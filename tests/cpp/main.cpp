// Catch2's runner, compiled once for all test programs. Debian 12 ships Catch2 v2; nothing else knows the version.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

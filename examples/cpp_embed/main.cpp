// The smallest program that needs the headers, the compiled library and everything it links.
#include <featlib/core/result.hpp>
#include <featlib/version.hpp>

#include <cstdio>

int main() {
  std::printf("featlib %s knows %zu error codes\n", featlib::version, featlib::error_codes().size());
  return featlib::error_codes().empty() ? 1 : 0;
}

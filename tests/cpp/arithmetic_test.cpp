#include <featlib/core/arithmetic.hpp>

#include <catch2/catch.hpp>

#include <cfenv>
#include <thread>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

using namespace featlib;

namespace {

/// Puts the thread's environment back, whatever the test did to it.
struct RestoreEnvironment {
  ~RestoreEnvironment() { std::fesetenv(FE_DFL_ENV); }
};

}  // namespace

TEST_CASE("the arithmetic digest is the one every IEEE 754 build without contraction has") {
  // Computed independently with Python floats and NumPy float32; a build that fuses or reorders gives another.
  CHECK(arithmetic_digest() == "7571421fb7b42103f891e0f45c393b957f7649dd00d58d11de58403ec4054240");
}

TEST_CASE("the digests do not change within a process") {
  const std::string first = arithmetic_digest(), libm = libm_digest();
  std::string other;
  std::thread([&] { other = arithmetic_digest(); }).join();
  CHECK(first == other);
  CHECK(libm == libm_digest());
  CHECK(libm.size() == 64);
  CHECK(libm != first);
}

TEST_CASE("the default environment is accepted") {
  CHECK(float_environment_ok());
  CHECK(check_float_environment().ok());
}

TEST_CASE("a thread that rounds otherwise is refused with the remedy") {
  const RestoreEnvironment restore;
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const auto checked = check_float_environment();
    std::fesetround(FE_TONEAREST);
    CAPTURE(mode);
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().failures()[0].code == ErrorCode::arithmetic_mismatch);
    CHECK_FALSE(checked.error().failures()[0].help.empty());
  }
  CHECK(check_float_environment().ok());
}

#if defined(__SSE2__)
TEST_CASE("flush-to-zero and denormals-are-zero are refused, each alone") {
  const RestoreEnvironment restore;
  const unsigned saved = _mm_getcsr();
  for (const unsigned bit : {0x8000u, 0x0040u}) {
    _mm_setcsr(saved | bit);
    const bool ok = float_environment_ok();
    _mm_setcsr(saved);
    CAPTURE(bit);
    CHECK_FALSE(ok);
  }
  _mm_setcsr(saved | 0x003f);   // exception flags that arithmetic leaves behind mean nothing
  const bool ok = float_environment_ok();
  _mm_setcsr(saved);
  CHECK(ok);
}
#endif

TEST_CASE("an environment changed in one thread is not seen in another") {
  bool inside = true;
  std::thread([&] {
    std::fesetround(FE_UPWARD);
    inside = float_environment_ok();
  }).join();
  CHECK_FALSE(inside);
  CHECK(float_environment_ok());
}

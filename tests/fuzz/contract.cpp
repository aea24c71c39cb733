// Any text is a contract, or is refused with the place and a remedy; and what was read says the same when it is read again.

#include <featlib/contract/contract.hpp>
#include <featlib/plan/plan.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

using namespace featlib;

namespace {

void require(bool holds, std::string_view what, std::string_view shown) {
  if (holds) return;
  fmt::print(stderr, "\nNOT {}\n{}\n", what, shown);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto contract = Contract::parse({reinterpret_cast<const char*>(data), size}, "no such folder");
  if (!contract) {
    require(!contract.error().failures().empty(), "an error has failures", contract.error().what());
    for (const Failure& failure : contract.error().failures()) require(!failure.message.empty() && !failure.path.empty(), "a failure has a message and a path", contract.error().what());
    return 0;
  }
  const std::string resolved = contract.value().resolved_json();
  const auto again = Contract::parse(resolved);
  require(again.ok(), "the resolved form is a contract", again.ok() ? resolved : again.error().what() + ("\n" + resolved));
  for (const auto kind : {FingerprintKind::semantic, FingerprintKind::policy, FingerprintKind::document})
    require(again.value().fingerprint(kind) == contract.value().fingerprint(kind), "the resolved form has the same fingerprint", resolved);
  require(again.value().resolved_json() == resolved, "the resolved form resolves to itself", resolved);
  contract.value().describe();
  const Plan plan(contract.value());
  return 0;
}

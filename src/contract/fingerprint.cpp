#include <featlib/core/fingerprint.hpp>

#include "resolved.hpp"

namespace featlib {
namespace {

/// RFC 8785: keys in order (they are ASCII identifiers), no space, numbers already integers or text.
std::string canonical_hash(const contract::Json& json) { return sha256_hex(nlohmann::json::parse(json.dump()).dump()); }

}  // namespace

std::string Contract::fingerprint(FingerprintKind kind) const {
  contract::KeptHash& kept = data_->fingerprints[static_cast<std::size_t>(kind)];
  std::call_once(kept.asked, [&] { kept.hex = canonical_hash(contract::resolved(*data_, static_cast<contract::Class>(kind))); });
  return kept.hex;
}

std::string Contract::feature_fingerprint(int feature) const { return canonical_hash(contract::resolved(*data_, feature)); }

}  // namespace featlib

/// What a contract holds, behind the public face.
#pragma once

#include <featlib/contract/contract.hpp>

#include <array>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace featlib {

namespace contract {
/// A feature's `checks`, in the order of the file.
struct Checks {
  std::vector<std::pair<std::string, double>> values;
};

/// A hash that is computed when first asked for: every snapshot asks.
struct KeptHash {
  std::once_flag asked;
  std::string hex;
};
}  // namespace contract

struct Contract::Data {
  std::string name, version, owner, description;
  std::vector<std::string> tags;
  std::vector<Entity> entities;
  std::vector<Source> sources;
  int request_of = -1;
  std::vector<Field> request;
  std::size_t declared_request = 0;                     ///< the first of `request` were declared; the rest are keys, dedup, sequences
  std::vector<Feature> features;
  std::vector<contract::Checks> checks;                           ///< by feature
  std::vector<int> order, inputs;
  std::vector<Failure> warnings;
  mutable std::array<contract::KeptHash, 3> fingerprints;         ///< by FingerprintKind
};

}  // namespace featlib

/// The resolved form of a contract: defaults filled in, bounds written out, vocabularies inlined.
#pragma once

#include "data.hpp"
#include "keys.hpp"

#include <nlohmann/json.hpp>

#include <optional>

namespace featlib::contract {

using Json = nlohmann::ordered_json;   // features keep the order of the file; hashes sort their keys

/// The whole contract: to be read again, or to be hashed with the keys of the classes up to `most` only.
Json resolved(const Contract::Data& data, std::optional<Class> most);

/// One feature and all it reads, as its fingerprint sees it.
Json resolved(const Contract::Data& data, int feature);

}  // namespace featlib::contract

#include <featlib/bundle.hpp>

#include <featlib/core/arithmetic.hpp>
#include <featlib/core/fingerprint.hpp>
#include <featlib/version.hpp>

#include "log/bytes.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <unordered_set>
#include <utility>

namespace featlib {

struct Bundle::Data {
  Contract contract;
  std::optional<Ensemble> model;
  std::optional<Policy> policy;
  std::map<std::string, std::string> metadata;
  std::vector<std::byte> bytes;
  Versions versions;
};

namespace {

using nlohmann::json;
using detail::ByteReader;
using detail::ByteWriter;
using Bytes = std::span<const std::byte>;

// As PNG's: a byte that is not text, and line ends and a Control-Z that a transfer as text would change.
constexpr std::array<unsigned char, 8> magic{0x89, 'F', 'L', 'B', '\r', '\n', 0x1a, '\n'};
constexpr std::uint32_t format_version = 1;
constexpr std::size_t hash_size = 32;
constexpr std::size_t header_size = magic.size() + 4 + 4 + hash_size;   // magic, version, manifest size, manifest hash
constexpr std::size_t max_manifest = 1 << 20, max_metadata = 1 << 20;
constexpr int max_depth = 64;                                           // of JSON; its writer recurses
constexpr std::array<std::string_view, 4> part_names{"contract", "model", "policy", "metadata"};   // in this order in the file

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// JSON text as an object, or nothing: not JSON, not an object, too deep, a key that stands twice.
std::optional<json> parse_object(std::string_view text) {
  std::vector<std::unordered_set<std::string>> keys;  // of the objects that are open
  bool twice = false;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > max_depth) throw std::length_error("too deep");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) twice |= !keys.back().insert(parsed.get_ref<const std::string&>()).second;
    return true;
  };
  try {
    json parsed = json::parse(text, watch);
    if (!parsed.is_object() || twice) return std::nullopt;
    return parsed;
  } catch (const json::exception&) {
    return std::nullopt;
  } catch (const std::length_error&) {
    return std::nullopt;
  }
}

// ---- parts that belong together -------------------------------------------------------------------------------------

std::optional<Error> mismatch(const Contract& contract, const Ensemble& model, const std::string& name) {
  const auto refuse = [&](std::string message, std::string help = {}) { return Error(ErrorCode::model_inputs, std::move(message), std::move(help), name); };
  const std::vector<int>& inputs = contract.inputs();
  const std::vector<std::string>& names = model.feature_names();
  const auto feature = [&](std::size_t i) -> const Feature& { return contract.features()[static_cast<std::size_t>(inputs[i])]; };
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (feature(i).type == Type::string)
      return refuse(fmt::format("input {} of the model, `{}`, is a string", i + 1, feature(i).name), "declare it as a category with a vocabulary, or take it out of `model: inputs`");
  // The names say more than the count, so they come first.
  for (std::size_t i = 0; i < std::min(inputs.size(), names.size()); ++i)
    if (feature(i).name != names[i])
      return refuse(fmt::format("input {} is `{}` in the contract and `{}` in the model", i + 1, feature(i).name, names[i]), "names and order of `model: inputs` must be those the model was trained with");
  if (inputs.size() != model.features())
    return refuse(fmt::format("the contract has {} model inputs, the model takes {}", inputs.size(), model.features()));
  for (std::size_t i = 0; i < model.categories().size(); ++i) {
    const std::vector<std::string>& trained = model.categories()[i];
    if (!trained.empty() && (feature(i).type != Type::category || feature(i).vocabulary != trained))
      return refuse(fmt::format("input {}, `{}`, has not the codes of the {} categories the model was trained on", i + 1, feature(i).name, trained.size()),
                    fmt::format("declare it as a category with vocabulary: [{}{}]", fmt::join(trained.begin(), trained.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(trained.size(), 20)), ", "), trained.size() > 20 ? ", ..." : ""));
  }
  return std::nullopt;
}

/// The parts as objects; `bytes` and the rest of the versions come with the file.
Result<Bundle::Data> assemble(Contract contract, std::optional<Ensemble> model, std::optional<std::string_view> policy_text, const json& metadata, const std::string& name) {
  if (model)
    if (auto error = mismatch(contract, *model, name)) return *error;
  std::optional<Policy> policy;
  if (policy_text) {
    auto parsed = Policy::parse(*policy_text, name.empty() ? "policy" : name + ": policy");
    if (!parsed) return parsed.error();
    auto bound = parsed.value().bind(contract);
    if (!bound) return bound.error();
    policy = std::move(bound).value();
  }
  std::string model_version = model ? model->fingerprint().substr(0, 12) : "none";
  if (const auto given = metadata.find("model_version"); given != metadata.end()) {
    if (!given->is_string() || given->get_ref<const std::string&>().empty() || given->get_ref<const std::string&>().size() > 64)
      return Error(ErrorCode::bad_argument, "metadata `model_version` must be a text of 1 to 64 bytes", {}, name);
    model_version = *given;
  }
  Bundle::Data data{std::move(contract), std::move(model), std::move(policy), {}, {}, {}};
  for (const auto& [key, value] : metadata.items()) data.metadata.emplace(key, value.dump());
  data.versions.model_version = std::move(model_version);
  data.versions.feature_schema_version = data.contract.fingerprint(FingerprintKind::semantic);
  if (data.policy) {
    data.versions.policy_version = data.policy->name() + " " + data.policy->version();
    data.versions.policy = data.policy->fingerprint();
  }
  data.versions.arithmetic = arithmetic_digest();
  return data;
}

/// What the manifest says about the objects, apart from the list of parts.
json described(const Bundle::Data& data) {
  json out{{"arithmetic", data.versions.arithmetic},
           {"contract", {{"name", data.contract.name()}, {"version", data.contract.version()},
                         {"semantic", data.contract.fingerprint(FingerprintKind::semantic)},
                         {"policy", data.contract.fingerprint(FingerprintKind::policy)},
                         {"document", data.contract.fingerprint(FingerprintKind::document)}}},
           {"model_version", data.versions.model_version}};
  if (data.model) out["model"] = {{"fingerprint", data.model->fingerprint()}, {"format", data.model->format()}, {"objective", data.model->objective()}};
  if (data.policy) out["policy"] = {{"name", data.policy->name()}, {"version", data.policy->version()}, {"fingerprint", data.policy->fingerprint()}};
  return out;
}

// ---- writing --------------------------------------------------------------------------------------------------------

std::vector<std::byte> write(const Bundle::Data& data, std::string_view metadata) {
  const std::string contract = data.contract.resolved_json();
  std::vector<std::pair<std::string_view, Bytes>> parts{{"contract", bytes_of(contract)}};
  if (data.model) parts.emplace_back("model", data.model->bytes());
  if (data.policy) parts.emplace_back("policy", bytes_of(data.policy->text()));
  parts.emplace_back("metadata", bytes_of(metadata));

  json manifest = described(data);
  manifest["featlib"] = FEATLIB_VERSION;
  std::size_t offset = 0;
  for (const auto& [name, bytes] : parts) {
    manifest["parts"].push_back({{"name", name}, {"offset", offset}, {"size", bytes.size()}, {"sha256", sha256_hex(bytes)}});
    offset += bytes.size();
  }
  const std::string manifest_text = manifest.dump();

  ByteWriter out;
  out.raw(std::as_bytes(std::span(magic)));
  out.u32(format_version);
  out.u32(static_cast<std::uint32_t>(manifest_text.size()));
  out.raw(sha256(bytes_of(manifest_text)));
  out.raw(bytes_of(manifest_text));
  for (const auto& [name, bytes] : parts) out.raw(bytes);
  out.raw(sha256(out.bytes()));
  return out.take();
}

// ---- reading --------------------------------------------------------------------------------------------------------


/// The file taken apart, every byte of it covered by a hash that was checked.
struct Opened {
  json manifest;
  std::map<std::string, Bytes, std::less<>> parts;
};

Error altered(const std::string& name, std::string_view part) {
  return Error(ErrorCode::bundle_altered, fmt::format("the {} does not match its hash", part), "the file was changed or damaged after it was saved; take it from where it was made", name);
}

Error not_whole(const std::string& name, std::string message) {
  return Error(ErrorCode::bundle_altered, std::move(message), "the file was not copied whole; take it from where it was made", name);
}

Result<Opened> take_apart(Bytes file, const std::string& name) {
  const auto refuse = [&](std::string message) { return Error(ErrorCode::bundle_format, std::move(message), {}, name); };
  if (file.size() < magic.size() || !std::equal(magic.begin(), magic.end(), reinterpret_cast<const unsigned char*>(file.data())))
    return refuse("not a featlib bundle");
  if (file.size() < header_size) return not_whole(name, "the bundle ends within its header");
  ByteReader in(file.subspan(magic.size()));
  if (const std::uint32_t version = in.u32(); version != format_version) return refuse(fmt::format("the bundle has format {}; this version reads {}", version, format_version));
  const std::uint32_t manifest_size = in.u32();
  const Bytes manifest_hash = in.raw(hash_size);
  if (manifest_size > max_manifest) return altered(name, "manifest");
  const Bytes manifest_bytes = in.raw(manifest_size);
  if (!in.ok()) return not_whole(name, "the bundle ends within its manifest");
  if (const auto digest = sha256(manifest_bytes); !std::equal(digest.begin(), digest.end(), manifest_hash.begin())) return altered(name, "manifest");

  // From here on the manifest is what its writer wrote; that may still be anyone.
  auto manifest = parse_object(text_of(manifest_bytes));
  if (!manifest) return refuse("the bundle's manifest is not a JSON object");
  Opened opened{std::move(*manifest), {}};
  std::vector<std::pair<std::string, std::uint64_t>> hashes_and_sizes;
  std::vector<std::string> names;
  std::uint64_t total = 0;
  try {
    std::size_t next_name = 0;
    for (const json& entry : opened.manifest.at("parts")) {
      const auto& part = entry.at("name").get_ref<const std::string&>();
      const auto found = std::find(part_names.begin() + static_cast<std::ptrdiff_t>(next_name), part_names.end(), part);
      if (found == part_names.end()) return refuse("the bundle has a part that is unknown, repeated or out of order");
      next_name = static_cast<std::size_t>(found - part_names.begin()) + 1;
      if (!entry.at("offset").is_number_unsigned() || !entry.at("size").is_number_unsigned() || entry["offset"] != total)
        return refuse(fmt::format("the part `{}` is not where the part before it ends", part));
      const auto size = entry["size"].get<std::uint64_t>();
      if (size > std::numeric_limits<std::uint64_t>::max() / 2 - total) return refuse(fmt::format("the part `{}` has an impossible size", part));
      total += size;
      names.push_back(part);
      hashes_and_sizes.emplace_back(entry.at("sha256").get<std::string>(), size);
    }
  } catch (const json::exception&) {
    return refuse("the bundle's manifest lacks its list of parts");
  }
  for (const std::string_view needed : {"contract", "metadata"})
    if (std::find(names.begin(), names.end(), needed) == names.end()) return refuse(fmt::format("the bundle has no {}", needed));

  const std::uint64_t left = in.left();
  if (left < total + hash_size) return not_whole(name, fmt::format("the bundle is cut off: {} bytes are missing", total + hash_size - left));
  if (left > total + hash_size) return not_whole(name, fmt::format("{} bytes follow the bundle's end", left - total - hash_size));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Bytes part = in.raw(hashes_and_sizes[i].second);
    if (sha256_hex(part) != hashes_and_sizes[i].first) return altered(name, names[i]);
    opened.parts.emplace(names[i], part);
  }
  if (const auto digest = sha256(file.first(file.size() - hash_size)); !std::equal(digest.begin(), digest.end(), in.raw(hash_size).begin()))
    return altered(name, "closing hash");
  return opened;
}

// ---- files ----------------------------------------------------------------------------------------------------------

Error io_error(const std::filesystem::path& path, std::string_view what) {
  return Error(ErrorCode::io_failed, fmt::format("{}: {}", what, std::strerror(errno)), {}, path.string());
}

/// An open file, closed when it goes.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  explicit operator bool() const { return value_ >= 0; }
  int get() const { return value_; }
  bool close() { return value_ < 0 || ::close(std::exchange(value_, -1)) == 0; }

 private:
  int value_;
};

bool write_all(int file, Bytes bytes) {
  while (!bytes.empty()) {
    const ::ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Result<Bundle> Bundle::make(Contract contract, std::optional<Ensemble> model, std::optional<std::string_view> policy, std::string_view metadata) {
  if (auto environment = check_float_environment(); !environment) return environment.error();
  const auto parsed = metadata.size() <= max_metadata ? parse_object(metadata) : std::nullopt;
  if (!parsed) return Error(ErrorCode::bad_argument, "the metadata is not a JSON object, or is larger than 1 MiB, deeper than 64 or has a key twice");
  auto data = assemble(std::move(contract), std::move(model), policy, *parsed, "");
  if (!data) return data.error();
  auto shared = std::make_shared<Data>(std::move(data).value());
  shared->bytes = write(*shared, parsed->dump());
  shared->versions.bundle = sha256_hex(shared->bytes);
  return Bundle(std::move(shared));
}

Result<Bundle> Bundle::parse(std::span<const std::byte> bytes, std::string name) {
  if (auto environment = check_float_environment(); !environment) return environment.error();
  auto taken = take_apart(bytes, name);
  if (!taken) return taken.error();
  const auto& [manifest, parts] = taken.value();

  // Before the parts are read: on a machine that computes otherwise their fingerprints mean nothing.
  const auto arithmetic = manifest.find("arithmetic");
  if (arithmetic == manifest.end() || *arithmetic != arithmetic_digest())
    return Error(ErrorCode::arithmetic_mismatch, "the bundle was made by a build whose arithmetic gives other bits than this one's",
                 "build both with -ffp-contract=off and without fast-math; `featlib doctor` shows this build's digest", name);

  auto contract = Contract::parse(text_of(parts.at("contract")), {}, name + ": contract");
  if (!contract) return contract.error();
  std::optional<Ensemble> model;
  if (const auto part = parts.find("model"); part != parts.end()) {
    auto parsed = Ensemble::parse(part->second, name + ": model");
    if (!parsed) return parsed.error();
    model = std::move(parsed).value();
  }
  std::optional<std::string_view> policy;
  if (const auto part = parts.find("policy"); part != parts.end()) policy = text_of(part->second);
  const Bytes metadata_bytes = parts.at("metadata");
  const auto metadata = metadata_bytes.size() <= max_metadata ? parse_object(text_of(metadata_bytes)) : std::nullopt;
  if (!metadata) return Error(ErrorCode::bundle_format, "the bundle's metadata is not a JSON object", {}, name);

  auto data = assemble(std::move(contract).value(), std::move(model), policy, *metadata, name);
  if (!data) return data.error();
  auto shared = std::make_shared<Data>(std::move(data).value());
  // Whole and unaltered, and still not what was made: another featlib reads the same text with another meaning.
  const json expected = described(*shared);
  for (const auto& [key, value] : expected.items())
    if (!manifest.contains(key) || manifest[key] != value)
      return Error(ErrorCode::bundle_mismatch, fmt::format("the bundle's {} has another fingerprint than its manifest says", key),
                   fmt::format("it was made by featlib {}; this is {}: make it again", manifest.value("featlib", json("?")).dump(), FEATLIB_VERSION), name);
  shared->bytes.assign(bytes.begin(), bytes.end());
  shared->versions.bundle = sha256_hex(bytes);
  return Bundle(std::move(shared));
}

Result<Bundle> Bundle::load(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  struct ::stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return io_error(path, "cannot open the bundle");
  if (!S_ISREG(status.st_mode)) return Error(ErrorCode::io_failed, "not a file", {}, path.string());
  std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ::ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(path, "cannot read the bundle");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return parse(bytes, path.string());
}

Result<std::monostate> Bundle::save(const std::filesystem::path& path) const {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  // The name holds the content, so two processes that save the same bundle write the same bytes, and two bundles do not meet.
  const std::filesystem::path beside = folder / fmt::format(".{}.{}.{}", path.filename().string(), fingerprint().substr(0, 12), ::getpid());
  const auto failed = [&](std::string_view what) {
    const Error error = io_error(path, what);
    ::unlink(beside.c_str());
    return error;
  };
  Descriptor file(beside, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file) return io_error(path, "cannot write beside the bundle");
  if (!write_all(file.get(), bytes()) || ::fsync(file.get()) != 0 || !file.close()) return failed("cannot write the bundle");
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("cannot put the bundle in place");
  const Descriptor directory(folder, O_RDONLY | O_DIRECTORY);   // the rename itself must survive a power cut
  if (!directory || ::fsync(directory.get()) != 0) return io_error(path, "cannot flush the bundle's folder");
  return std::monostate{};
}

const Contract& Bundle::contract() const noexcept { return data_->contract; }
const std::optional<Ensemble>& Bundle::model() const noexcept { return data_->model; }
const std::optional<Policy>& Bundle::policy() const noexcept { return data_->policy; }
const std::map<std::string, std::string>& Bundle::metadata() const noexcept { return data_->metadata; }
const std::vector<std::byte>& Bundle::bytes() const noexcept { return data_->bytes; }
const std::string& Bundle::fingerprint() const noexcept { return data_->versions.bundle; }
const std::string& Bundle::model_version() const noexcept { return data_->versions.model_version; }
const std::string& Bundle::feature_schema_version() const noexcept { return data_->versions.feature_schema_version; }
const std::string& Bundle::arithmetic() const noexcept { return data_->versions.arithmetic; }
const Versions& Bundle::versions() const noexcept { return data_->versions; }

}  // namespace featlib

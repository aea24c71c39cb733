#include <featlib/ensemble/ensemble.hpp>

#include "ensemble/document.hpp"
#include "ensemble/engine.hpp"
#include "ensemble/model.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <fstream>

namespace featlib {
namespace detail {

/// What a file says besides its trees, and the engine made of those.
struct Forest {
  std::string objective, format, fingerprint;
  std::vector<std::byte> bytes;
  std::size_t features = 0, outputs = 0, trees = 0;
  std::vector<std::string> feature_names;
  std::vector<std::vector<std::string>> categories;
  Transform transform = Transform::identity;
  bool float64 = false;
  std::unique_ptr<const Engine> engine;
};

namespace {

std::string sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, 32> digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

Forest compile(TreeModel model, std::span<const std::byte> bytes) {
  Forest forest;
  forest.engine = Engine::of(model);
  forest.features = model.features;
  forest.outputs = model.base.size();
  forest.trees = model.counted_trees();
  forest.transform = model.transform;
  forest.float64 = model.adds == Real::float64;
  forest.objective = std::move(model.objective);
  forest.format = std::move(model.format);
  forest.feature_names = std::move(model.feature_names);
  forest.categories = std::move(model.categories);
  forest.bytes.assign(bytes.begin(), bytes.end());
  forest.fingerprint = sha256(bytes);
  return forest;
}

/// The content decides: text by its first line, a JSON file by its first key.
TreeModel read_model(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("tree\n") || text.starts_with("tree\r\n")) return read_lightgbm(bytes);
  const std::string_view key = Document::first_key(bytes);
  if (key == "featlib_sklearn") return read_sklearn(bytes);
  if (is_cbm(bytes) || key == "features_info" || key == "model_info" || key == "oblivious_trees" || key == "trees" || key == "scale_and_bias" || key == "ctr_data")
    return read_catboost(bytes);
  return read_xgboost(bytes);
}

}  // namespace
}  // namespace detail

Result<Ensemble> Ensemble::parse(std::span<const std::byte> bytes, std::string name) {
  try {
    return Ensemble(std::make_shared<const detail::Forest>(detail::compile(detail::read_model(bytes), bytes)));
  } catch (const Error& error) {
    std::vector<Failure> failures = error.failures();
    for (Failure& failure : failures) failure.path = name;
    return Error(std::move(failures));
  }
}

Result<Ensemble> Ensemble::load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes;
  std::vector<std::byte> chunk(1 << 20);
  while (file) {
    file.read(reinterpret_cast<char*>(chunk.data()), static_cast<std::streamsize>(chunk.size()));
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + file.gcount());
  }
  if (!file.is_open() || file.bad())
    return Error(ErrorCode::io_failed, "the model file could not be read", "check the path and its permissions",
                 path.string());
  return parse(bytes, path.string());
}

std::size_t Ensemble::features() const noexcept { return forest_->features; }
std::size_t Ensemble::outputs() const noexcept { return forest_->outputs; }
std::size_t Ensemble::prediction_width() const noexcept {
  return forest_->transform == detail::Transform::argmax ? 1 : outputs();
}
std::size_t Ensemble::trees() const noexcept { return forest_->trees; }
bool Ensemble::float64() const noexcept { return forest_->float64; }
const std::vector<std::string>& Ensemble::feature_names() const noexcept { return forest_->feature_names; }
const std::vector<std::vector<std::string>>& Ensemble::categories() const noexcept { return forest_->categories; }
std::string_view Ensemble::objective() const noexcept { return forest_->objective; }
std::string_view Ensemble::format() const noexcept { return forest_->format; }
const std::string& Ensemble::fingerprint() const noexcept { return forest_->fingerprint; }
const std::vector<std::byte>& Ensemble::bytes() const noexcept { return forest_->bytes; }

void Ensemble::margin(std::span<const float> rows, std::size_t n, std::span<float> out) const noexcept {
  forest_->engine->margin(rows.data(), n, out.data());
}
void Ensemble::margin(std::span<const double> rows, std::size_t n, std::span<double> out) const noexcept {
  forest_->engine->margin(rows.data(), n, out.data());
}

void Ensemble::predict(std::span<const float> rows, std::size_t n, std::span<float> out) const noexcept {
  forest_->engine->predict(rows.data(), n, out.data());
}
void Ensemble::predict(std::span<const double> rows, std::size_t n, std::span<double> out) const noexcept {
  forest_->engine->predict(rows.data(), n, out.data());
}

void Ensemble::leaves(std::span<const float> rows, std::size_t n, std::span<std::int32_t> out) const noexcept {
  forest_->engine->leaves(rows.data(), n, out.data());
}
void Ensemble::leaves(std::span<const double> rows, std::size_t n, std::span<std::int32_t> out) const noexcept {
  forest_->engine->leaves(rows.data(), n, out.data());
}

}  // namespace featlib

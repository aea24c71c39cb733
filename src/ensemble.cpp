#include <featlib/ensemble/ensemble.hpp>

#include "ensemble/document.hpp"
#include "ensemble/engine.hpp"
#include "ensemble/explainer.hpp"
#include "ensemble/libxgboost.hpp"
#include "ensemble/model.hpp"
#include "ensemble/shapley.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <mutex>

namespace featlib {
namespace detail {

namespace {

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

/// What a file says besides its trees, and the engine made of those.
struct Forest {
  std::string objective, format, fingerprint, backend = "native";
  std::vector<std::byte> bytes;
  std::size_t features = 0, outputs = 0, width = 0, trees = 0;   // width: of a prediction
  std::vector<std::string> feature_names;
  std::vector<std::vector<std::string>> categories;
  bool float64 = false;
  std::unique_ptr<const Engine> engine;

  /// Made when they are first asked for, from the file: most models that score never explain, and hold no tables for it.
  const Explainer& explainer() const {
    std::call_once(explained_, [this] { explainer_ = std::make_unique<const Explainer>(read_model(bytes)); });
    return *explainer_;
  }
  const Shapley& shapley() const {
    std::call_once(audited_, [this] { shapley_ = std::make_unique<const Shapley>(read_model(bytes)); });
    return *shapley_;
  }

 private:
  mutable std::once_flag explained_, audited_;
  mutable std::unique_ptr<const Explainer> explainer_;
  mutable std::unique_ptr<const Shapley> shapley_;
};

namespace {

std::string sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, 32> digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::shared_ptr<const Forest> compile(TreeModel model, std::span<const std::byte> bytes) {
  auto made = std::make_shared<Forest>();
  Forest& forest = *made;
  forest.engine = Engine::of(model);
  forest.features = model.features;
  forest.outputs = model.base.size();
  forest.width = model.transform == Transform::argmax ? 1 : forest.outputs;
  forest.trees = model.counted_trees();
  forest.float64 = model.adds == Real::float64;
  forest.objective = std::move(model.objective);
  forest.format = std::move(model.format);
  forest.feature_names = std::move(model.feature_names);
  forest.categories = std::move(model.categories);
  forest.bytes.assign(bytes.begin(), bytes.end());
  forest.fingerprint = sha256(bytes);
  return made;
}

std::shared_ptr<const Forest> delegate(std::span<const std::byte> bytes, const std::string& library) {
  auto made = std::make_shared<Forest>();
  auto engine = std::make_unique<const LibXgboost>(library, bytes);
  made->features = engine->features();
  made->outputs = engine->outputs();
  made->width = engine->width();
  made->trees = engine->trees();
  made->backend = engine->version();
  made->format = "xgboost";
  made->bytes.assign(bytes.begin(), bytes.end());
  made->fingerprint = sha256(bytes);
  made->engine = std::move(engine);
  return made;
}

/// The same failures, about the file of that name.
Error about(const Error& error, const std::string& name) {
  std::vector<Failure> failures = error.failures();
  for (Failure& failure : failures) failure.path = name;
  return Error(std::move(failures));
}

template <class T>
void count_differing(std::span<const T> native, std::span<const T> reference, std::size_t width, std::string_view what, Verification& out) {
  for (std::size_t i = 0; i < native.size(); ++i) {
    ++out.values;
    if (std::bit_cast<std::uint32_t>(native[i]) == std::bit_cast<std::uint32_t>(reference[i])) continue;
    if (out.differing++ == 0) out.first = fmt::format("{} {} of row {}: {} here, {} there", what, i % width, i / width, native[i], reference[i]);
  }
}

}  // namespace
}  // namespace detail

Result<Ensemble> Ensemble::parse(std::span<const std::byte> bytes, std::string name) {
  try {
    return Ensemble(detail::compile(detail::read_model(bytes), bytes));
  } catch (const Error& error) {
    return detail::about(error, name);
  }
}

Result<Ensemble> Ensemble::by_xgboost(std::span<const std::byte> bytes, const std::string& library, std::string name) {
  try {
    return Ensemble(detail::delegate(bytes, library));
  } catch (const Error& error) {
    return detail::about(error, error.failures().front().code == ErrorCode::io_failed ? library : name);
  }
}

Verification Ensemble::verify(std::span<const float> rows, std::size_t n, const std::string& library) const {
  const Ensemble reference = by_xgboost(bytes(), library).value();
  Verification out{std::string(reference.backend()), 0, 0, {}};
  std::vector<float> here(n * std::max(outputs(), prediction_width())), there(here.size());
  const auto compare = [&](auto score, std::size_t width, std::string_view what) {
    (this->*score)(rows, n, std::span(here).first(n * width));
    (reference.*score)(rows, n, std::span(there).first(n * width));
    detail::count_differing<float>(std::span(here).first(n * width), std::span(there).first(n * width), width, what, out);
  };
  using Score = void (Ensemble::*)(std::span<const float>, std::size_t, std::span<float>) const noexcept;
  compare(static_cast<Score>(&Ensemble::margin), outputs(), "margin");
  compare(static_cast<Score>(&Ensemble::predict), prediction_width(), "prediction");
  std::vector<std::int32_t> leaf(n * trees()), their_leaf(leaf.size());
  leaves(rows, n, leaf);
  reference.leaves(rows, n, their_leaf);
  detail::count_differing<std::int32_t>(leaf, their_leaf, std::max<std::size_t>(trees(), 1), "leaf", out);
  return out;
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
  return forest_->width;
}
std::size_t Ensemble::trees() const noexcept { return forest_->trees; }
bool Ensemble::float64() const noexcept { return forest_->float64; }
const std::vector<std::string>& Ensemble::feature_names() const noexcept { return forest_->feature_names; }
const std::vector<std::vector<std::string>>& Ensemble::categories() const noexcept { return forest_->categories; }
std::string_view Ensemble::objective() const noexcept { return forest_->objective; }
std::string_view Ensemble::backend() const noexcept { return forest_->backend; }
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

void Ensemble::score(std::span<const double> row, std::span<double> margin, std::span<double> prediction) const noexcept {
  forest_->engine->score(row.data(), margin.data(), prediction.data());
}

void Ensemble::leaves(std::span<const float> rows, std::size_t n, std::span<std::int32_t> out) const noexcept {
  forest_->engine->leaves(rows.data(), n, out.data());
}
void Ensemble::leaves(std::span<const double> rows, std::size_t n, std::span<std::int32_t> out) const noexcept {
  forest_->engine->leaves(rows.data(), n, out.data());
}

void Ensemble::contributions(std::span<const float> rows, std::size_t n, std::span<float> out) const {
  forest_->explainer().contributions(rows.data(), n, out.data());
}
void Ensemble::contributions(std::span<const double> rows, std::size_t n, std::span<double> out) const {
  forest_->shapley().path_dependent(rows.data(), n, out.data());
}
void Ensemble::contributions(std::span<const double> rows, std::size_t n, std::span<const double> background, std::size_t m,
                             std::span<double> out) const {
  forest_->shapley().interventional(rows.data(), n, background.data(), m, out.data());
}

}  // namespace featlib

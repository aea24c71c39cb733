#include "ensemble/libxgboost.hpp"

#include <featlib/core/result.hpp>

#include <fmt/format.h>

#include <dlfcn.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace featlib::detail {

/// The functions of xgboost/c_api.h that are called, by their names; the same since 1.6.
struct LibXgboost::Api {
  using Handle = void*;
  using Length = std::uint64_t;

  explicit Api(const std::string& library) : loaded(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (!loaded) throw Error(ErrorCode::io_failed, fmt::format("no XGBoost library: {}", dlerror()), "pip install xgboost, or name its libxgboost.so", library);
    find(version, "XGBoostVersion");
    find(last_error, "XGBGetLastError");
    find(create, "XGBoosterCreate");
    find(free, "XGBoosterFree");
    find(load, "XGBoosterLoadModelFromBuffer");
    find(set, "XGBoosterSetParam");
    find(features, "XGBoosterGetNumFeature");
    find(table, "XGDMatrixCreateFromDense");
    find(free_table, "XGDMatrixFree");
    find(predict, "XGBoosterPredictFromDMatrix");
  }
  // The library stays loaded: it has threads and thread-local memory of its own.

  template <class Function>
  void find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(loaded, name));
    if (!function) throw Error(ErrorCode::io_failed, fmt::format("the library has no {}", name), "XGBoost 1.6 or later is needed");
  }

  void* loaded;
  void (*version)(int*, int*, int*);
  const char* (*last_error)();
  int (*create)(const Handle*, Length, Handle*);
  int (*free)(Handle);
  int (*load)(Handle, const void*, Length);
  int (*set)(Handle, const char*, const char*);
  int (*features)(Handle, Length*);
  int (*table)(const char*, const char*, Handle*);
  int (*free_table)(Handle);
  int (*predict)(Handle, Handle, const char*, const Length**, Length*, const float**);
};

namespace {

constexpr int as_value = 0, as_margin = 1, as_leaf = 6;   // xgboost/c_api.h: XGBoosterPredictFromDMatrix

/// A prediction of one type, copied or filled.
template <class X, class Out, class Ask>
void answer(const X* rows, std::size_t n, std::size_t features, std::size_t width, Out failed, Out* out, const Ask& ask) noexcept {
  const std::vector<float> narrow(rows, rows + n * features);
  const std::span<const float> given = ask(narrow.data());
  if (given.size() == n * width) std::ranges::transform(given, out, [](float x) { return static_cast<Out>(x); });
  else std::fill_n(out, n * width, failed);
}

constexpr auto no_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

LibXgboost::LibXgboost(const std::string& library, std::span<const std::byte> model) : api_(std::make_unique<const Api>(library)) {
  int major = 0, minor = 0, patch = 0;
  api_->version(&major, &minor, &patch);
  version_ = fmt::format("xgboost {}.{}.{}", major, minor, patch);
  const auto check = [&](int code) {
    if (code == 0) return;
    const std::string said = api_->last_error();
    if (booster_) api_->free(booster_);
    throw Error(ErrorCode::model_format, fmt::format("{} refuses the model: {}", version_, said.substr(0, 300)), "save it with the XGBoost that trained it");
  };
  check(api_->create(nullptr, 0, &booster_));
  check(api_->load(booster_, model.data(), model.size()));
  check(api_->set(booster_, "nthread", "1"));
  Api::Length features = 0;
  check(api_->features(booster_, &features));
  features_ = features;
  const std::vector<float> row(features_);
  outputs_ = ask(as_margin, row.data(), 1).size();
  width_ = ask(as_value, row.data(), 1).size();
  trees_ = ask(as_leaf, row.data(), 1).size();
  if (outputs_ == 0 || width_ == 0) check(-1);
}

LibXgboost::~LibXgboost() { api_->free(booster_); }

std::span<const float> LibXgboost::ask(int type, const float* rows, std::size_t n) const noexcept {
  const std::string data = fmt::format(R"({{"data": [{}, true], "shape": [{}, {}], "typestr": "<f4", "version": 3}})", reinterpret_cast<std::uintptr_t>(rows), n, features_);
  const std::string how = fmt::format(R"({{"type": {}, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": false}})", type);
  Api::Handle table = nullptr;
  if (api_->table(data.c_str(), R"({"missing": NaN, "nthread": 1})", &table) != 0) return {};
  const Api::Length* shape = nullptr;
  Api::Length dimensions = 0;
  const float* result = nullptr;
  const int code = api_->predict(booster_, table, how.c_str(), &shape, &dimensions, &result);
  api_->free_table(table);
  if (code != 0) return {};
  std::size_t size = 1;
  for (Api::Length i = 0; i < dimensions; ++i) size *= shape[i];
  return {result, size};   // of this thread and booster, until its next prediction
}

void LibXgboost::margin(const float* rows, std::size_t n, float* out) const noexcept {
  answer(rows, n, features_, outputs_, no_number, out, [&](const float* x) { return ask(as_margin, x, n); });
}
void LibXgboost::margin(const double* rows, std::size_t n, double* out) const noexcept {
  answer<double, double>(rows, n, features_, outputs_, no_number, out, [&](const float* x) { return ask(as_margin, x, n); });
}
void LibXgboost::predict(const float* rows, std::size_t n, float* out) const noexcept {
  answer(rows, n, features_, width_, no_number, out, [&](const float* x) { return ask(as_value, x, n); });
}
void LibXgboost::predict(const double* rows, std::size_t n, double* out) const noexcept {
  answer<double, double>(rows, n, features_, width_, no_number, out, [&](const float* x) { return ask(as_value, x, n); });
}
void LibXgboost::score(const double* row, double* margin_out, double* prediction) const noexcept {
  margin(row, 1, margin_out);
  predict(row, 1, prediction);
}
void LibXgboost::leaves(const float* rows, std::size_t n, std::int32_t* out) const noexcept {
  answer(rows, n, features_, trees_, std::int32_t{-1}, out, [&](const float* x) { return ask(as_leaf, x, n); });
}
void LibXgboost::leaves(const double* rows, std::size_t n, std::int32_t* out) const noexcept {
  answer(rows, n, features_, trees_, std::int32_t{-1}, out, [&](const float* x) { return ask(as_leaf, x, n); });
}

}  // namespace featlib::detail

/// The bundle: everything that decides, in one file. Contract, model, policy and metadata, each part hashed, refused when altered.
///
///     auto bundle = featlib::Bundle::make(contract, model, policy_yaml, R"({"trained_by": "nightly"})").value();
///     bundle.save("fraud.flb").value();
///     auto again = featlib::Bundle::load("fraud.flb").value();
///     again.fingerprint() == bundle.fingerprint();
///
/// docs/formats.md has the layout. What is signed here is content, not origin: who may write the file can write another bundle.
#pragma once

#include <featlib/contract/contract.hpp>
#include <featlib/core/result.hpp>
#include <featlib/decision/policy.hpp>
#include <featlib/ensemble/ensemble.hpp>
#include <featlib/log/record.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace featlib {

/// Immutable, a pointer to copy. Its parts belong together: the model takes the contract's inputs, the policy's names are the contract's.
class Bundle {
 public:
  /// `policy` is the text of a policy file; `metadata` a JSON object. Codes: model-inputs, policy-invalid, policy-unreachable,
  /// bad-argument (metadata), arithmetic-mismatch (this thread's rounding).
  static Result<Bundle> make(Contract contract, std::optional<Ensemble> model, std::optional<std::string_view> policy = {},
                             std::string_view metadata = "{}");

  /// Codes: bundle-format (not a bundle), bundle-altered (naming the part), bundle-mismatch, model-inputs, arithmetic-mismatch, and
  /// those of the parts; load also io-failed. `name` stands for the file in messages.
  static Result<Bundle> load(const std::filesystem::path& path);
  static Result<Bundle> parse(std::span<const std::byte> bytes, std::string name = "<bytes>");

  /// Written beside `path`, flushed to disk and renamed: after a crash `path` is the old file or the new one.
  Result<std::monostate> save(const std::filesystem::path& path) const;

  const Contract& contract() const noexcept;
  const std::optional<Ensemble>& model() const noexcept;
  /// Bound to contract(): ready to decide.
  const std::optional<Policy>& policy() const noexcept;
  /// The metadata object's members, each as JSON text.
  const std::map<std::string, std::string>& metadata() const noexcept;

  /// The file's content: equal parts made by the same featlib version give equal bytes.
  const std::vector<std::byte>& bytes() const noexcept;
  /// SHA-256 of bytes(), 64 hex digits: what records name.
  const std::string& fingerprint() const noexcept;
  /// metadata "model_version" if given, else the first 12 hex digits of the model's fingerprint; "none" without a model.
  const std::string& model_version() const noexcept;
  /// The contract's semantic fingerprint.
  const std::string& feature_schema_version() const noexcept;
  /// arithmetic_digest() of the build that made it; equal to this build's, or the bundle would not have opened.
  const std::string& arithmetic() const noexcept;
  /// What a log keeps beside bytes().
  const Versions& versions() const noexcept;

  struct Data;   // defined in src/bundle.cpp

 private:
  explicit Bundle(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

}  // namespace featlib

#include <featlib/scorer.hpp>

#include <algorithm>
#include <cmath>

namespace featlib {

std::vector<Reason> reasons(const Bundle& bundle, const Decision& decision, std::size_t most) {
  const auto& model = bundle.model();
  const bool by_score = decision.mode == Mode::normal || decision.mode == Mode::no_policy;
  if (!model || !by_score || decision.outcome == Outcome::approve) return {};

  const Contract& contract = bundle.contract();
  const std::size_t inputs = model->features();
  std::vector<double> given(model->outputs() * (inputs + 1));
  if (model->float64()) {
    std::vector<double> row(inputs);
    model_row(contract, decision.features.values, std::span<double>(row));
    model->contributions(row, 1, given);
  } else {
    std::vector<float> row(inputs), exact(given.size());
    model_row(contract, decision.features.values, std::span<float>(row));
    model->contributions(row, 1, exact);
    std::ranges::copy(exact, given.begin());
  }

  std::vector<Reason> out;
  for (std::size_t i = 0; i < inputs; ++i) {
    const Feature& feature = contract.features()[static_cast<std::size_t>(contract.inputs()[i])];
    const std::string& text = feature.reason.empty() ? feature.name : feature.reason;
    const auto same = std::ranges::find(out, text, &Reason::text);
    Reason& reason = same == out.end() ? out.emplace_back(Reason{text, 0, {}}) : *same;
    reason.contribution += given[i];
    reason.features.push_back(contract.inputs()[i]);
  }
  std::erase_if(out, [](const Reason& reason) { return !(reason.contribution > 0); });
  std::ranges::stable_sort(out, std::ranges::greater{}, &Reason::contribution);   // ties: the model's order of inputs
  if (out.size() > most) out.resize(most);
  return out;
}

}  // namespace featlib

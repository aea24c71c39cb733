// One number, by bytes: whatever happens to a state, every answer equals replay of the exported history and the definition,
// in every bit and status.

#include "world.hpp"

#include <cstdio>
#include <cstdlib>

using namespace featlib;
using namespace featlib::testing;

namespace {

class Run {
 public:
  explicit Run(World& world) : world_(world), case_(world.blank), server_(case_.contract, world.options) {}

  void take(Bytes bytes) {
    actions_.push_back(draw(world_, bytes, case_));
    given_.resize(case_.decisions.size());
    if (actions_.back().kind != Action::Kind::restart) return act(server_, case_, actions_.back(), given_);
    const auto before = counted();
    act(server_, case_, actions_.back(), given_);
    if (counted() != before) fail("counters and rows held stay over a restart", "they differ");
  }

  void compare() const {
    const Answered said = answered(case_, given_);
    const auto history = server_.exported();
    const auto replayed = offline(case_, said.asks, history, 1);
    require_same(said.given, replayed, "given = replay of the export");
    require_same(replayed, by_definition(case_, said.asks, history), "replay = reference, on the export");
  }

 private:
  std::vector<std::pair<SourceCounters, std::size_t>> counted() {
    std::vector<std::pair<SourceCounters, std::size_t>> out;
    for (int s = 0; s < static_cast<int>(case_.rows.size()); ++s)   // a union lets go what is behind its own retention when it is made anew
      if (!case_.contract.sources()[static_cast<std::size_t>(s)].is_union()) out.emplace_back(server_.state().counters(s), server_.state().rows_held(s));
    return out;
  }

  void require_same(const std::vector<Answer>& left, const std::vector<Answer>& right, const std::string& what) const {
    if (const std::string found = difference(case_.contract, left, right); !found.empty()) fail(what, found);
  }

  [[noreturn]] void fail(const std::string& what, const std::string& found) const {
    fmt::print(stderr, "\nNOT {}\n{}\n\n{}grace {}\n{}\n", what, found, testing::spelled(case_), format_duration(world_.options.grace), testing::spelled(actions_));
    std::abort();
  }

  World& world_;
  Case case_;
  Server server_;
  std::vector<Action> actions_;
  std::vector<Answer> given_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes left(data, size);
  World& world = world_of(take(left, world_bytes));
  const Shaped shaped(world.shape);
  Run run(world);
  for (std::size_t i = 0; i < most_actions && !left.empty(); ++i) run.take(take(left, action_bytes));
  run.compare();
  return 0;
}

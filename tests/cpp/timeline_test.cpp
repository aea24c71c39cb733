#include "support/checked_timeline.hpp"

using namespace featlib;
using namespace featlib::testing;

namespace {

/// Random rows on few instants: equal times, late rows, nulls, rows known late or hidden, cells known late.
class Story {
 public:
  Story(std::uint64_t seed, TimelineShape shape) : random_(seed), timelines_(shape) {
    static const std::vector<std::vector<double>> flavours{
        {0.01, 12.34, -99.99, 1000.0}, {0x1p-60, 1.0, -0x1p40}, {1e308, -1e308, 1.0, 5e-324}, {0.0, 1.0, -1.0},
        {0x1p-17, -0x1.fffffffffffffp17, 3.0}, {0x1p-17, 0x1p18}};   // the widest whose fourth powers are kept, and one bit more
    reals_ = random_.pick(flavours);
    wholes_ = random_.percent(70) ? std::vector<std::int64_t>{0, 1, -1, 1234, 99'999} : std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(), 0, 7};
    late_ = random_.pick<int>({0, 5, 40});
    step_ = random_.pick<int>({1, 3, 1000});
  }

  void run(int actions) {
    for (int i = 0; i < actions; ++i) {
      const auto id = static_cast<EntityId>(random_.percent(80) ? 0 : 1);
      const std::size_t n = timelines_.size(id);
      const int what = random_.below(100);
      if (what < 70 || n == 0) {
        now_ += random_.below(step_);
        timelines_.insert(id, row(random_.percent(late_) ? std::max(cutoff_, now_ - random_.below(300)) : now_));
      } else if (what < 76) {
        timelines_.erase(id, static_cast<std::size_t>(random_.below(static_cast<int>(n))));
      } else if (what < 85) {
        timelines_.change(id, static_cast<std::size_t>(random_.below(static_cast<int>(n))), row(0));
      } else if (what < 88) {
        cutoff_ = std::max(cutoff_, timelines_.time(id, n - 1) - random_.below(400));
        for (EntityId e = 0; e < CheckedTimelines::entities; ++e) timelines_.expire(e, cutoff_);
      } else {
        check(id);
      }
    }
    for (EntityId id = 0; id < CheckedTimelines::entities; ++id)
      for (int i = 0; i < 5; ++i) check(id);
  }
  const CheckedTimelines& timelines() const { return timelines_; }

 private:
  TimelineRow row(Instant at) {
    TimelineRow r;
    r.at = at;
    r.sequence = random_.below(1 << 30);   // rows that were alike in all that orders them would change places when changed
    if (random_.percent(90)) r.real = random_.pick(reals_);
    if (random_.percent(90)) r.whole = random_.pick(wholes_);
    if (random_.percent(50)) r.label = random_.below(2);
    r.known_at = random_.percent(80) ? at : now_ + random_.below(50) - 25;
    r.stamp = random_.percent(80) ? r.known_at + 1 : now_ + random_.below(50);
    if (random_.percent(10)) r.hidden_at = r.known_at + 1 + random_.below(50);
    return r;
  }
  void check(EntityId id) {
    const auto instant = [&] { return std::max(cutoff_, now_ + 2 - random_.below(random_.percent(50) ? 40 : 2000)); };
    Instant from = instant(), to = instant();
    if (from > to) std::swap(from, to);
    // A window that begins at the cutoff itself keeps the rows that happened then.
    timelines_.check(id, from, from > cutoff_ && random_.percent(50), to, random_.percent(50), random_.percent(70) ? now_ + 100 : instant());
  }

  Random random_;
  CheckedTimelines timelines_;
  std::vector<double> reals_;
  std::vector<std::int64_t> wholes_;
  int late_ = 0, step_ = 1;
  Instant now_ = monday, cutoff_ = monday - 1000;
};

}  // namespace

TEST_CASE("an indexed timeline reads as a sorted array does, whatever comes late, leaves or changes, in blocks of every size") {
  std::size_t sums = 0, powers = 0;
  for (std::uint64_t seed = first_seed(), end = seed + triples(400); seed < end; ++seed) {
    const TimelineShape shape{std::vector<std::size_t>{2, 3, 5, 16, 64}[seed % 5], std::vector<std::size_t>{3, 4, 7, 32}[seed / 5 % 4]};
    INFO("FEATLIB_SEED=" << seed << ", blocks of " << shape.block << ", nodes of " << shape.node);
    Story story(seed, shape);
    story.run(seed % 10 == 0 ? 3000 : 400);
    sums += story.timelines().sums_compared();
    powers += story.timelines().powers_compared();
  }
  CHECK(sums > 0);
  CHECK(powers > 0);
}

TEST_CASE("what is between two places of an empty timeline, or of an entity never seen, is nothing") {
  CheckedTimelines timelines({});
  timelines.check(0, monday, false, monday + day, true, never - 1);
  timelines.insert(0, {.at = monday, .known_at = monday});
  timelines.expire(0, monday + 1);
  timelines.check(0, monday + 1, false, monday + day, true, never - 1);
  timelines.check(1, monday, false, monday + day, true, never - 1);
}

TEST_CASE("a timeline whose rows have all left gives its memory back") {
  CheckedTimelines timelines({4, 3});
  const std::size_t before = [&] { timelines.insert(1, {.at = monday, .known_at = monday}); timelines.expire(1, monday + 1); return timelines.timelines().memory(); }();
  for (Instant at = monday; at < monday + 500; ++at) timelines.insert(0, {.at = at, .known_at = at});
  CHECK(timelines.timelines().memory() > before);
  timelines.expire(0, monday + 500);
  CHECK(timelines.timelines().memory() == before);
}

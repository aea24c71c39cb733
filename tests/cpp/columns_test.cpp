#include <featlib/events/columns.hpp>

#include "support/generators.hpp"

#include <catch2/catch.hpp>

using namespace featlib;
using featlib::testing::Random;

namespace {

/// A packed column that carries an array beside it and compares on every call.
class CheckedColumn {
 public:
  void set(std::size_t row, std::uint64_t value) {
    if (row >= expected_.size()) {
      expected_.resize(row + 1);
      packed_.resize(row + 1);
    }
    packed_.set(row, value);
    expected_[row] = value;
  }
  void check() const {
    REQUIRE(packed_.size() == expected_.size());
    for (std::size_t row = 0; row < expected_.size(); ++row)
      if (packed_[row] != expected_[row]) FAIL("row " << row << " holds " << packed_[row] << ", was set to " << expected_[row]);
  }
  const PackedColumn& packed() const { return packed_; }
  std::size_t size() const { return expected_.size(); }

 private:
  PackedColumn packed_;
  std::vector<std::uint64_t> expected_;
};

}  // namespace

TEST_CASE("a packed column holds what was set, at every width, wherever values rise, fall, scatter or are set again") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    std::mt19937_64 bits(seed);
    const int width = static_cast<int>(seed % 9);
    const std::uint64_t mask = width == 0 ? 0 : ~std::uint64_t{0} >> (64 - 8 * width);
    const std::uint64_t origin = random.percent(50) ? bits() : 0 - (mask >> 1);
    CheckedColumn column;
    const int shape = random.below(3);
    for (std::size_t row = 0; row < 700; ++row) {
      const std::uint64_t drawn = bits() & mask;
      column.set(row, shape == 0 ? origin + drawn : shape == 1 ? origin + row * (mask / 700) : origin - row * (mask / 700));
      if (random.percent(20)) column.set(static_cast<std::size_t>(random.below(static_cast<int>(row) + 1)), origin + (bits() & mask));
      if (random.percent(1)) column.set(row, bits());   // of quite another size
      if (row % 50 == 0) column.check();
    }
    column.check();
  }
}

TEST_CASE("the ends of the range fit one page with everything between") {
  CheckedColumn column;
  const std::vector<std::uint64_t> ends{0, 1, ~std::uint64_t{0}, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) - 1, 7};
  for (std::size_t row = 0; row < 300; ++row) column.set(row, ends[row % ends.size()]);
  column.check();
}

TEST_CASE("equal values take no room, cents three bytes a row, instants of one month six") {
  CheckedColumn same, cents, instants;
  std::mt19937_64 bits(1);
  for (std::size_t row = 0; row < 100'000; ++row) {
    same.set(row, 1);
    cents.set(row, bits() % 10'000'000);
    instants.set(row, 1'700'000'000'000'000 + bits() % static_cast<std::uint64_t>(30 * day));
  }
  CHECK(same.packed().memory() < 100'000 / 4);
  CHECK(cents.packed().memory() < 100'000 * 3.3);
  CHECK(instants.packed().memory() < 100'000 * 6.3);
  cents.check();
  instants.check();
}

TEST_CASE("a packed column of instants or entities tells none from every value") {
  RowColumn<Instant, true> stamps;
  RowColumn<EntityId, true> entities;
  stamps.keep_packed();
  entities.keep_packed();
  const std::vector<Instant> instants{never, always + 1, -1, 0, 1, never - 1, never};
  const std::vector<EntityId> ids{no_entity, 0, 1, no_entity - 1, no_entity};
  stamps.resize(instants.size());
  entities.resize(ids.size());
  for (Row row = 0; row < instants.size(); ++row) stamps.set(row, instants[row]);
  for (Row row = 0; row < ids.size(); ++row) entities.set(row, ids[row]);
  for (Row row = 0; row < instants.size(); ++row) CHECK(stamps[row] == instants[row]);
  for (Row row = 0; row < ids.size(); ++row) CHECK(entities[row] == ids[row]);
}

TEST_CASE("a sparse column holds none wherever nothing was set") {
  RowColumn<Instant, true> hidden;
  hidden.keep_packed(true);
  hidden.resize(1000);
  for (Row row = 0; row < 1000; row += 97) hidden.set(row, 1'700'000'000'000'000 + row);
  hidden.resize(1500);
  hidden.set(1499, 5);
  for (Row row = 0; row < 1500; ++row) CHECK(hidden[row] == (row < 1000 && row % 97 == 0 ? 1'700'000'000'000'000 + row : row == 1499 ? 5 : never));
  CHECK(hidden.packed()->memory() < 1500 * 8);
}

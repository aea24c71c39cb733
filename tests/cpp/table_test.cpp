#include <featlib/core/table.hpp>

#include "support/tables.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cstring>

using namespace featlib;
using featlib::testing::make_table;
using featlib::testing::null_value;
using featlib::testing::TestColumn;
using featlib::testing::try_table;
using featlib::testing::Value;

namespace {

std::string message(const Result<Table>& result) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().failures()[0].code == ErrorCode::bad_table);
  return result.error().failures()[0].message;
}

/// Arrow's structs on the stack: their memory belongs to the test, so nothing is released.
struct Bare {
  std::array<const void*, 3> buffers{};
  std::array<const void*, 3> value_buffers{};
  ArrowSchema schema{};
  ArrowSchema value_schema{};
  ArrowArray array{};
  ArrowArray values{};

  Bare(const char* name, const char* format, std::int64_t length, std::int64_t offset, std::array<const void*, 3> data, int n_buffers) : buffers(data) {
    schema.format = format;
    schema.name = name;
    schema.flags = ARROW_FLAG_NULLABLE;
    array.length = length;
    array.offset = offset;
    array.null_count = -1;
    array.n_buffers = n_buffers;
    array.buffers = buffers.data();
  }
  void dictionary(const char* format, std::int64_t length, std::int64_t offset, std::array<const void*, 3> data, int n_buffers) {
    value_buffers = data;
    value_schema.format = format;
    values.length = length;
    values.offset = offset;
    values.n_buffers = n_buffers;
    values.buffers = value_buffers.data();
    schema.dictionary = &value_schema;
    array.dictionary = &values;
  }
  Result<Table> table(std::int64_t rows) {
    ArrowOwner<ArrowSchema> outer;
    ArrowOwner<ArrowArray> batch;
    ArrowPiece piece;
    piece.array = &array;
    make_arrow_batch({{schema.name, "", &schema}}, {piece}, rows, {}, outer.get(), batch.get());
    std::vector<ArrowOwner<ArrowArray>> batches;
    batches.push_back(std::move(batch));
    return Table::from_batches(std::move(outer), std::move(batches), "t");
  }
};

std::vector<std::optional<std::string>> texts(const Table& table, int column) {
  std::vector<std::optional<std::string>> out;
  for (int b = 0; b < table.batches(); ++b) {
    const ColumnView view = table.view(b, column);
    for (std::int64_t r = 0; r < view.rows(); ++r) out.push_back(view.is_null(r) ? std::nullopt : std::optional(std::string(view.text(r))));
  }
  return out;
}

}  // namespace

TEST_CASE("integers of every width are read with their sign") {
  const std::vector<Value> small{std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, null_value, std::int64_t{127}, std::int64_t{-128}};
  for (const char* format : {"c", "s", "i", "l"}) {
    CAPTURE(format);
    const Table table = make_table("t", {{"x", format, small}});
    const ColumnView view = table.view(0, 0);
    REQUIRE(view.rows() == 6);
    CHECK(view.integer(0) == 0);
    CHECK(view.integer(2) == -1);
    CHECK(view.is_null(3));
    CHECK(view.integer(5) == -128);
  }
  for (const auto& [format, most] : {std::pair{"C", std::int64_t{0xff}}, {"S", std::int64_t{0xffff}}, {"I", std::int64_t{0xffffffff}}}) {
    CAPTURE(format);
    CHECK(make_table("t", {{"x", format, {most}}}).view(0, 0).integer(0) == most);
  }
  CHECK(make_table("t", {{"x", "L", {std::int64_t{-1}}}}).view(0, 0).uint64(0) == ~std::uint64_t{0});
}

TEST_CASE("reals, booleans, dates and decimals are read as they lie") {
  const Table table = make_table("t", {{"f", "f", {0.5, null_value, -1.25}},
                                       {"g", "g", {0.1, 1e308, -0.0}},
                                       {"b", "b", {std::int64_t{1}, std::int64_t{0}, null_value}},
                                       {"d", "tdD", {std::int64_t{-1}, std::int64_t{0}, std::int64_t{19000}}},
                                       {"m", "d:38,2", {std::int64_t{1234}, std::int64_t{-1}, null_value}}});
  CHECK(table.rows() == 3);
  CHECK(table.columns() == 5);
  CHECK(table.view(0, 0).real(2) == -1.25);
  CHECK(table.view(0, 0).is_null(1));
  CHECK(table.view(0, 1).real(0) == 0.1);
  CHECK(table.view(0, 2).boolean(0));
  CHECK_FALSE(table.view(0, 2).boolean(1));
  CHECK(table.view(0, 2).is_null(2));
  CHECK(table.view(0, 3).integer(0) == -1);
  CHECK(table.column_type(4).layout == Layout::decimal128);
  CHECK(table.column_type(4).scale == 2);
  CHECK(table.view(0, 4).decimal(0) == 1234);
}

TEST_CASE("texts with 32-bit offsets, 64-bit offsets and views are the same texts") {
  const std::vector<Value> values{std::string("a"), null_value, std::string(""), std::string("twelve bytes"), std::string("thirteen bytes"), std::string("\xc3\xa9")};
  const std::vector<std::optional<std::string>> expected{"a", std::nullopt, "", "twelve bytes", "thirteen bytes", "\xc3\xa9"};
  for (const char* format : {"u", "U", "vu"}) {
    CAPTURE(format);
    CHECK(texts(make_table("t", {{"x", format, values}}), 0) == expected);
    CHECK(texts(make_table("t", {{"x", format, values}}, 2), 0) == expected);
  }
}

TEST_CASE("chunks are read one after the other") {
  std::vector<Value> values;
  for (std::int64_t i = 0; i < 23; ++i) values.push_back(i % 5 ? Value(i) : null_value);
  for (const std::size_t step : {1u, 2u, 7u, 8u, 9u, 22u, 23u, 100u}) {
    CAPTURE(step);
    const Table table = make_table("t", {{"x", "l", values}}, step);
    CHECK(table.rows() == 23);
    std::int64_t at = 0;
    for (int b = 0; b < table.batches(); ++b) {
      const ColumnView view = table.view(b, 0);
      for (std::int64_t r = 0; r < view.rows(); ++r, ++at) {
        CHECK(view.is_null(r) == (at % 5 == 0));
        if (at % 5) CHECK(view.integer(r) == at);
      }
    }
    CHECK(at == 23);
  }
}

TEST_CASE("a slice begins at its offset, in values, validity and bits alike") {
  const std::int64_t values[] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
  const std::uint8_t valid[] = {0b11011111, 0b11};   // row 5 is null
  Bare integers("x", "l", 4, 4, {valid, values}, 2);
  const Table table = integers.table(4).value();
  CHECK(table.view(0, 0).integer(0) == 14);
  CHECK(table.view(0, 0).is_null(1));
  CHECK(table.view(0, 0).integer(3) == 17);

  const std::uint8_t bits[] = {0b10000000, 0b01};
  Bare booleans("x", "b", 2, 7, {nullptr, bits}, 2);
  const Table truth = booleans.table(2).value();
  CHECK(truth.view(0, 0).boolean(0));
  CHECK(truth.view(0, 0).boolean(1));

  const std::int32_t offsets[] = {0, 1, 3, 3, 6};
  Bare strings("x", "u", 2, 2, {nullptr, offsets, "abbccc"}, 3);
  CHECK(texts(strings.table(2).value(), 0) == std::vector<std::optional<std::string>>{"", "ccc"});
}

TEST_CASE("a dictionary is looked through, whatever the width of its indices") {
  const std::int32_t offsets[] = {0, 4, 8, 9};
  const std::uint8_t value_valid[] = {0b101};   // the second value is null itself
  const std::uint8_t valid[] = {0b1011};
  const std::vector<std::optional<std::string>> expected{"z", std::nullopt, std::nullopt, "food"};
  const std::int8_t narrow[] = {2, 1, 0, 0};
  const std::int64_t wide[] = {2, 1, 0, 0};
  const std::uint16_t unsigned16[] = {2, 1, 0, 0};
  for (const auto& [format, indices] : {std::pair<const char*, const void*>{"c", narrow}, {"l", wide}, {"S", unsigned16}}) {
    CAPTURE(format);
    Bare column("x", format, 4, 0, {valid, indices}, 2);
    column.dictionary("u", 3, 0, {value_valid, offsets, "foodcashz"}, 3);
    const Table table = column.table(4).value();
    CHECK(table.column_type(0).layout == Layout::text32);
    CHECK(table.column_type(0).index.has_value());
    CHECK(texts(table, 0) == expected);
  }
}

TEST_CASE("slices of indices and of values both count in a dictionary") {
  const std::int64_t values[] = {100, 200, 300, 400};
  const std::int8_t indices[] = {9, 0, 2, 1};
  Bare column("x", "c", 3, 1, {nullptr, indices}, 2);
  column.dictionary("l", 3, 1, {nullptr, values}, 2);
  const Table table = column.table(3).value();
  CHECK(table.view(0, 0).integer(0) == 200);
  CHECK(table.view(0, 0).integer(1) == 400);
  CHECK(table.view(0, 0).integer(2) == 300);
}

TEST_CASE("an index outside its dictionary is null and never read") {
  const std::int64_t values[] = {100};
  const std::int8_t indices[] = {0, 1, -1};
  Bare column("x", "c", 3, 0, {nullptr, indices}, 2);
  column.dictionary("l", 1, 0, {nullptr, values}, 2);
  const Table table = column.table(3).value();
  CHECK_FALSE(table.view(0, 0).is_null(0));
  CHECK(table.view(0, 0).is_null(1));
  CHECK(table.view(0, 0).is_null(2));
}

TEST_CASE("a table of no rows and one of no columns are tables") {
  const Table empty = make_table("t", {{"x", "l", {}}, {"s", "u", {}}});
  CHECK(empty.rows() == 0);
  CHECK(empty.columns() == 2);
  CHECK(empty.find("s") == 1);
  CHECK(empty.find("y") == -1);
  CHECK(make_table("t", {}).columns() == 0);
}

TEST_CASE("timestamps say their unit and whether they have a zone") {
  for (const auto& [format, unit] : {std::pair{"tss:", TimeUnit::second}, {"tsm:", TimeUnit::millisecond}, {"tsu:", TimeUnit::microsecond}, {"tsn:", TimeUnit::nanosecond}}) {
    const ColumnType naive = make_table("t", {{"x", format, {}}}).column_type(0);
    CHECK(naive.layout == Layout::timestamp);
    CHECK(naive.unit == unit);
    CHECK_FALSE(naive.zoned);
    CHECK(make_table("t", {{"x", std::string(format) + "Europe/Berlin", {}}}).column_type(0).zoned);
  }
}

TEST_CASE("what no column of ours can hold is kept, and said to be other") {
  const std::int64_t values[] = {1};
  Bare odd("x", "tDu", 1, 0, {nullptr, values}, 2);
  const Table table = odd.table(1).value();
  CHECK(table.column_type(0).layout == Layout::other);
  CHECK(table.column_type(0).format == "tDu");
}

TEST_CASE("a name that stands twice is refused") {
  CHECK(message(try_table("t", {{"x", "l", {std::int64_t{1}}}, {"x", "l", {std::int64_t{2}}}})).find("`x` stands twice") != std::string::npos);
}

TEST_CASE("a column shorter than its batch is refused") {
  const std::int64_t values[] = {1, 2};
  Bare column("x", "l", 2, 0, {nullptr, values}, 2);
  CHECK(message(column.table(3)).find("ragged") != std::string::npos);
}

TEST_CASE("a column without its buffers is refused") {
  Bare column("x", "l", 2, 0, {nullptr, nullptr}, 2);
  CHECK(message(column.table(2)).find("malformed") != std::string::npos);
  Bare text("x", "u", 0, 0, {nullptr, nullptr}, 2);
  CHECK(message(text.table(0)).find("malformed") != std::string::npos);
}

TEST_CASE("a stream that is no stream of structs is refused") {
  ArrowOwner<ArrowSchema> schema;
  ArrowOwner<ArrowArray> batch;
  make_arrow_batch({}, {}, 0, {}, schema.get(), batch.get());
  static const char integer[] = "l";
  const char* whole = std::exchange(schema.get()->format, integer);
  CHECK_FALSE(Table::from_batches(std::move(schema), {}, "t").ok());
  (void)whole;
}

TEST_CASE("a stream consumed before is refused with a remedy, and one that breaks off with its own words") {
  ArrowArrayStream spent{};
  const auto consumed = Table::from_stream(&spent, "t");
  CHECK(message(consumed).find("consumed") != std::string::npos);
  CHECK_FALSE(consumed.error().failures()[0].help.empty());

  ArrowArrayStream broken{};
  broken.get_schema = [](ArrowArrayStream*, ArrowSchema* out) {
    ArrowOwner<ArrowArray> unused;
    make_arrow_batch({}, {}, 0, {}, out, unused.get());
    return 0;
  };
  broken.get_next = [](ArrowArrayStream*, ArrowArray*) { return 5; };
  broken.get_last_error = [](ArrowArrayStream*) { return "the disk is gone"; };
  broken.release = [](ArrowArrayStream* s) { s->release = nullptr; };
  CHECK(message(Table::from_stream(&broken, "t")).find("the disk is gone") != std::string::npos);
}

TEST_CASE("a table leaves as a stream and comes back the same, metadata included") {
  const std::vector<Value> values{std::string("a"), null_value, std::string("c")};
  const Table table = make_table("t", {{"s", "U", values}, {"n", "l", {std::int64_t{1}, std::int64_t{2}, null_value}}}, 2, {{"featlib.complete_from", "17"}, {"k", ""}});
  CHECK(table.metadata().at("featlib.complete_from") == "17");
  ArrowArrayStream stream{};
  table.export_stream(&stream);
  const Table again = Table::from_stream(&stream, "again").value();
  CHECK(again.metadata() == table.metadata());
  CHECK(again.batches() == 2);
  CHECK(texts(again, 0) == texts(table, 0));
  CHECK(again.view(1, 1).is_null(0));
}

TEST_CASE("what is exported outlives the table it came from") {
  ArrowArrayStream stream{};
  {
    const Table table = make_table("t", {{"s", "U", {std::string("kept alive")}}});
    table.export_stream(&stream);
  }
  CHECK(texts(Table::from_stream(&stream, "t").value(), 0)[0] == "kept alive");
}

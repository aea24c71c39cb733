#include <featlib/log/log.hpp>

#include <catch2/catch.hpp>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>

#include <unistd.h>

using namespace featlib;

namespace {

const double missing_number = std::numeric_limits<double>::quiet_NaN();
const double infinity = std::numeric_limits<double>::infinity();

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// SHA-256 of "abc": its best known value, and so a bundle whose bytes are "abc".
const std::string abc_hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

Versions abc_versions() { return {abc_hash, "m1", std::string(64, '1'), "card 1.0.0", std::string(64, '2'), std::string(64, '3')}; }

/// A record with something of every kind.
Record sample() {
  Record record;
  record.request_id = "request-000000001";
  record.as_of = 1'522'540'831'000'000;
  record.decided_at = record.as_of + 1'234;
  record.bundle = abc_hash;
  record.outcome = Outcome::review;
  record.mode = Mode::normal;
  record.score = 0.8123456789;
  record.margin = static_cast<double>(1.4641f);
  record.segment = 1;
  record.inputs = {std::string("c1"), std::int64_t{1250}, std::string("food"), std::monostate{}, 0.1, std::int64_t{-1}};
  record.features = {{0.1, status_of(Cause::ok)},
                     {std::int64_t{7}, status_of(Cause::ok)},
                     {std::monostate{}, status_of(Cause::null)},
                     {0.0, status_of(Cause::insufficient_history, true)},
                     {std::int64_t{-1}, status_of(Cause::unseen)},
                     {std::string("r\xc3\xa9sum\xc3\xa9"), status_of(Cause::ok)},
                     {std::monostate{}, status_of(Cause::error)}};
  return record;
}

/// Equal in every bit: the encoding tells NaN payloads and -0.0 apart, operator== would not.
bool same(const Record& a, const Record& b) { return encode(a) == encode(b); }

Record round_trip(const Record& record) { return decode_record(encode(record)).value(); }

ErrorCode code_of(const Error& error) { return error.failures()[0].code; }

/// A folder of its own, removed with everything in it.
struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("featlib_log_test_" + std::to_string(::getpid()));
  Folder() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name = "decisions.db") const { return (path / name).string(); }
};

std::shared_ptr<DecisionLog> opened(const std::string& file) {
  auto log = open_log("sqlite:" + file).value();
  log->store_bundle(abc_versions(), bytes_of("abc")).value();
  return log;
}

Record numbered(int i) {
  Record record = sample();
  record.request_id = "r" + std::to_string(i);
  record.as_of = 1'000'000'000'000'000 + i;
  return record;
}

std::vector<std::string> requests(DecisionLog& log, const LogFilter& filter = {}) {
  std::vector<std::string> out;
  log.iterate(filter, [&](const Record& record) {
       out.push_back(record.request_id);
       return true;
     }).value();
  return out;
}

/// What someone with the sqlite3 shell would see or do.
std::vector<std::string> query(const std::string& file, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  std::vector<std::string> out;
  char* message = nullptr;
  const auto collect = [](void* rows, int columns, char** values, char**) {
    std::string row;
    for (int i = 0; i < columns; ++i) row += std::string(i > 0 ? "|" : "") + (values[i] == nullptr ? "NULL" : values[i]);
    static_cast<std::vector<std::string>*>(rows)->push_back(row);
    return 0;
  };
  const int code = sqlite3_exec(database, sql.c_str(), collect, &out, &message);
  const std::string said = message == nullptr ? "" : message;
  sqlite3_free(message);
  sqlite3_close(database);
  CAPTURE(sql, said);
  REQUIRE(code == SQLITE_OK);
  return out;
}

}  // namespace

// ---- the record -----------------------------------------------------------------------------------------------------

TEST_CASE("a record comes back with every field it had") {
  const Record record = sample(), again = round_trip(record);
  CHECK(again.request_id == record.request_id);
  CHECK(again.as_of == record.as_of);
  CHECK(again.decided_at == record.decided_at);
  CHECK(again.bundle == record.bundle);
  CHECK(again.outcome == record.outcome);
  CHECK(again.mode == record.mode);
  CHECK(again.score == record.score);
  CHECK(again.margin == record.margin);
  CHECK(again.segment == record.segment);
  CHECK(again.rule == record.rule);
  CHECK(again.inputs == record.inputs);
  CHECK(again.features == record.features);
}

TEST_CASE("the ends of every number's range come back") {
  Record record = sample();
  for (const std::int64_t integer : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63}, std::int64_t{64}, std::int64_t{-64}, std::int64_t{-65}, (std::int64_t{1} << 55) - 1,
                                     std::int64_t{1} << 55, -(std::int64_t{1} << 55), -(std::int64_t{1} << 55) - 1, std::numeric_limits<std::int64_t>::max(),
                                     std::numeric_limits<std::int64_t>::min()}) {
    record.inputs.emplace_back(integer);
    record.features.push_back({integer, status_of(Cause::ok)});
  }
  for (const double real : {0.0, -0.0, 5e-324, std::numeric_limits<double>::max(), infinity, -infinity}) record.inputs.emplace_back(real);
  for (int status = 0; status < 256; ++status)
    if ((status & 0x70) == 0) record.features.push_back({std::monostate{}, static_cast<Status>(status)});
  const Record again = round_trip(record);
  CHECK(again.inputs == record.inputs);
  CHECK(again.features == record.features);
  CHECK(std::signbit(std::get<double>(again.inputs[record.inputs.size() - 5])));
}

TEST_CASE("instants may lie anywhere, in any order") {
  for (const Instant as_of : {Instant{0}, always, never})
    for (const Instant decided_at : {Instant{0}, always, never, Instant{-1}}) {
      Record record = sample();
      record.as_of = as_of;
      record.decided_at = decided_at;
      CHECK(round_trip(record).as_of == as_of);
      CHECK(round_trip(record).decided_at == decided_at);
    }
}

TEST_CASE("a missing score or margin is missing again, and infinite ones are not missing") {
  for (const double score : {missing_number, 0.0, infinity})
    for (const double margin : {missing_number, -0.0, 0.1, static_cast<double>(0.1f), -infinity, 1e300}) {
      Record record = sample();
      record.score = score;
      record.margin = margin;
      const Record again = round_trip(record);
      CAPTURE(score, margin);
      CHECK(std::isnan(again.score) == std::isnan(score));
      CHECK(std::isnan(again.margin) == std::isnan(margin));
      if (!std::isnan(score)) CHECK(again.score == score);
      if (!std::isnan(margin)) CHECK((again.margin == margin && std::signbit(again.margin) == std::signbit(margin)));
    }
}

TEST_CASE("25 features of the longest kind fit into 400 bytes") {
  Record record = sample();
  record.request_id = "3f2b8c1e-7d64-4a0f-9b35-0c6a1f2e8d47";
  record.inputs = {std::string("card-0000000001"), std::string("txn-00000000001"), std::int64_t{1'250'00}, std::string("grocery")};
  record.margin = 0.1;   // not a float32
  record.rule = 3;
  record.features.clear();
  for (int i = 0; i < 25; ++i) record.features.push_back({i % 2 == 0 ? LoggedValue(1.0 / (i + 3)) : LoggedValue(std::numeric_limits<std::int64_t>::min() + i), status_of(Cause::ok)});
  CHECK(encode(record).size() <= 400);
  INFO("worst case: " << encode(record).size() << " bytes");
  CHECK(round_trip(record).features == record.features);
}

TEST_CASE("no number takes more than eight bytes and its kind, and small integers take less") {
  const auto size_with = [](const LoggedValue& value) {
    Record record = sample();
    record.features.push_back({value, status_of(Cause::ok)});
    return encode(record).size() - encode(sample()).size();
  };
  CHECK(size_with(std::monostate{}) == 1);
  CHECK(size_with(std::int64_t{-64}) == 2);
  CHECK(size_with(std::int64_t{64}) == 3);
  CHECK(size_with(1.0) == 9);
  for (const std::int64_t integer : {(std::int64_t{1} << 55) - 1, std::int64_t{1} << 55, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
    CHECK(size_with(integer) == 9);
}

TEST_CASE("the record's layout is the documented one, byte for byte") {
  Record record;
  record.request_id = "r1";
  record.as_of = 0x0102030405060708;
  record.decided_at = record.as_of + 3;
  record.bundle = abc_hash;
  record.outcome = Outcome::block;
  record.mode = Mode::rule;
  record.score = 0.5;
  record.margin = 1.5;
  record.rule = 2;
  record.inputs = {std::int64_t{-2}, std::string("x")};
  record.features = {{std::monostate{}, status_of(Cause::null)}, {1.0, status_of(Cause::insufficient_history, true)}};
  std::string hex;
  for (const std::byte byte : encode(record)) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", std::to_integer<unsigned>(byte));
    hex += digits;
  }
  CHECK(hex == "01" "03" "01" "07" + abc_hash + "0807060504030201" "06" "000000000000e03f" "0000c03f" "01" "04" "02" "7231"
               "02" "01" "03" "03" "01" "78"
               "02" "01" "a2" "000000000000f03f");
}

TEST_CASE("a record that names no bundle cannot be encoded") {
  for (const std::string& bundle : {std::string(), std::string(63, 'a'), std::string(64, 'A'), std::string(64, 'g')}) {
    Record record = sample();
    record.bundle = bundle;
    CHECK_THROWS_AS(encode(record), Error);
  }
  Record record = sample();
  record.features[0].status = 0x10;   // no status has this bit; the value's kind lives there
  CHECK_THROWS_AS(encode(record), Error);
}

TEST_CASE("a record cut off anywhere, or followed by anything, is refused") {
  const std::vector<std::byte> blob = encode(sample());
  for (std::size_t size = 0; size < blob.size(); ++size) {
    const auto decoded = decode_record(std::span(blob).first(size));
    CAPTURE(size);
    REQUIRE_FALSE(decoded.ok());
    CHECK(code_of(decoded.error()) == ErrorCode::log_format);
  }
  auto longer = blob;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode_record(longer).ok());
}

TEST_CASE("whatever a damaged record decodes to has exactly those bytes") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed() + 1);
  CAPTURE(seed);
  std::mt19937 random(seed);
  const std::vector<std::byte> blob = encode(sample());
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    auto damaged = blob;
    for (std::uint32_t flips = 1 + random() % 4; flips > 0; --flips) damaged[random() % damaged.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    if (random() % 4 == 0) damaged.resize(random() % (damaged.size() + 1));
    const auto decoded = decode_record(damaged);
    if (!decoded) continue;
    ++accepted;
    REQUIRE(encode(decoded.value()) == damaged);
  }
  CHECK(accepted > 0);   // a flipped bit of a score is a record too; the chain over records, not the record, would notice
}

TEST_CASE("random bytes never decode beyond their end") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed() + 2);
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 50'000; ++i) {
    std::vector<std::byte> bytes(random() % 100);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    if (!bytes.empty()) bytes[0] = std::byte{1};
    (void)decode_record(bytes);
  }
}

TEST_CASE("cells come back from what was logged of them") {
  CHECK(cell_of(logged(Cell::null())).is_null());
  CHECK(cell_of(logged(Cell::of(std::int64_t{7}))).integer == 7);
  CHECK(cell_of(logged(Cell::of(0.1))).real == 0.1);
  const LoggedValue text = logged(Cell::of(std::string_view("food")));
  CHECK(cell_of(text).text == "food");
}

// ---- the log --------------------------------------------------------------------------------------------------------

TEST_CASE("a log gives back what was appended, in that order, after it was closed and opened") {
  const Folder folder;
  {
    const auto log = opened(folder.file());
    for (int i = 0; i < 5; ++i) log->append(numbered(4 - i)).value();
  }
  const auto log = open_log("sqlite:" + folder.file()).value();
  CHECK(requests(*log) == std::vector<std::string>{"r4", "r3", "r2", "r1", "r0"});
  log->iterate({}, [](const Record& record) {
       Record expected = numbered(std::stoi(record.request_id.substr(1)));
       CHECK(same(record, expected));
       return true;
     }).value();
  CHECK(log->count().value() == 5);
}

TEST_CASE("records are found by request, and by time from the first to before the last") {
  const Folder folder;
  const auto log = opened(folder.file());
  for (int i = 0; i < 10; ++i) log->append(numbered(i)).value();
  const Instant base = numbered(0).as_of;
  CHECK(requests(*log, {"r7"}) == std::vector<std::string>{"r7"});
  CHECK(requests(*log, {"r70"}).empty());
  CHECK(requests(*log, {std::nullopt, base + 3, base + 5}) == std::vector<std::string>{"r3", "r4"});
  CHECK(requests(*log, {"r7", base, base + 7}).empty());
  CHECK(requests(*log, {"r7", base + 7, base + 8}).size() == 1);
}

TEST_CASE("the filter without an end finds the last instant there is") {
  const Folder folder;
  const auto log = opened(folder.file());
  Record record = sample();
  record.as_of = never;
  log->append(record).value();
  CHECK(requests(*log).size() == 1);
  CHECK(requests(*log, {std::nullopt, always, never - 1}).empty());
}

TEST_CASE("a visit that says false is the last") {
  const Folder folder;
  const auto log = opened(folder.file());
  for (int i = 0; i < 5; ++i) log->append(numbered(i)).value();
  int visited = 0;
  log->iterate({}, [&](const Record&) { return ++visited < 2; }).value();
  CHECK(visited == 2);
}

TEST_CASE("a visit that throws leaves the log usable") {
  const Folder folder;
  const auto log = opened(folder.file());
  log->append(numbered(1)).value();
  CHECK_THROWS_AS(log->iterate({}, [](const Record&) -> bool { throw std::runtime_error("stop"); }), std::runtime_error);
  log->append(numbered(2)).value();
  CHECK(requests(*log).size() == 2);
}

TEST_CASE("a record whose bundle is not in the log is refused, so every record can be replayed") {
  const Folder folder;
  const auto log = open_log("sqlite:" + folder.file()).value();
  const auto appended = log->append(sample());
  REQUIRE_FALSE(appended.ok());
  CHECK(code_of(appended.error()) == ErrorCode::bad_argument);
  log->store_bundle(abc_versions(), bytes_of("abc")).value();
  CHECK(log->append(sample()).ok());
}

TEST_CASE("a bundle is stored once and comes back with its versions") {
  const Folder folder;
  const auto log = opened(folder.file());
  log->store_bundle(abc_versions(), bytes_of("abc")).value();
  const auto bytes = log->bundle_bytes(abc_hash).value();
  CHECK(std::memcmp(bytes.data(), "abc", 3) == 0);
  CHECK(log->versions(abc_hash).value() == abc_versions());
  CHECK(query(folder.file(), "SELECT count(*) FROM bundles") == std::vector<std::string>{"1"});

  const auto unknown = log->bundle_bytes(std::string(64, '0'));
  REQUIRE_FALSE(unknown.ok());
  CHECK(code_of(unknown.error()) == ErrorCode::log_failed);
}

TEST_CASE("bytes under another bundle's name are refused") {
  const Folder folder;
  const auto log = open_log("sqlite:" + folder.file()).value();
  const auto stored = log->store_bundle(abc_versions(), bytes_of("abd"));
  REQUIRE_FALSE(stored.ok());
  CHECK(code_of(stored.error()) == ErrorCode::bad_argument);
}

TEST_CASE("others read a record once it is flushed, with a column for each thing people ask for") {
  const Folder folder;
  const auto log = opened(folder.file());
  Record record = sample();
  log->append(record).value();
  record.score = missing_number;
  log->append(record).value();
  CHECK(query(folder.file(), "SELECT count(*) FROM decisions") == std::vector<std::string>{"0"});
  log->flush().value();
  const auto rows = query(folder.file(),
                          "SELECT request_id, model_version, substr(feature_schema_version, 1, 2), policy_version, substr(bundle, 1, 4), decision, "
                          "risk_score, mode, timestamp - as_of FROM decisions");
  CHECK(rows == std::vector<std::string>{"request-000000001|m1|11|card 1.0.0|ba78|review|0.8123456789|normal|1234",
                                         "request-000000001|m1|11|card 1.0.0|ba78|review|NULL|normal|1234"});
}

TEST_CASE("questions by request and by time use an index, through the view too") {
  const Folder folder;
  opened(folder.file());
  for (const char* where : {"request_id = 'r1'", "as_of BETWEEN 1 AND 2"}) {
    const auto plan = query(folder.file(), std::string("EXPLAIN QUERY PLAN SELECT * FROM decisions WHERE ") + where);
    CHECK(plan[0].find("USING INDEX") != std::string::npos);
  }
}

TEST_CASE("the 1001st record takes the first thousand to disk") {
  const Folder folder;
  const auto log = opened(folder.file());
  for (int i = 0; i < 1000; ++i) log->append(numbered(i)).value();
  CHECK(query(folder.file(), "SELECT count(*) FROM records") == std::vector<std::string>{"0"});
  log->append(numbered(1000)).value();
  CHECK(query(folder.file(), "SELECT count(*) FROM records") == std::vector<std::string>{"1000"});
  CHECK(log->count().value() == 1001);
}

TEST_CASE("a copy of the files taken at any moment holds whole records only") {
  const Folder folder;
  const auto log = opened(folder.file());
  for (int i = 0; i < 2500; ++i) log->append(numbered(i)).value();
  // What a crash leaves: the files as they are, without close.
  std::filesystem::create_directory(folder.path / "crash");
  for (const char* suffix : {"", "-wal"}) std::filesystem::copy_file(folder.file() + suffix, folder.path / "crash" / (std::string("decisions.db") + suffix));
  const auto found = requests(*open_log("sqlite:" + folder.file("crash/decisions.db")).value());
  CHECK(found.size() == 2000);
  CHECK(found.back() == "r1999");
}

TEST_CASE("many threads append and none is lost") {
  const Folder folder;
  const auto log = opened(folder.file());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 600; ++i) log->append(numbered(1000 * t + i)).value();
    });
  for (std::thread& thread : threads) thread.join();
  auto found = requests(*log);
  std::sort(found.begin(), found.end());
  CHECK(found.size() == 2400);
  CHECK(std::unique(found.begin(), found.end()) == found.end());
}

TEST_CASE("two logs on one file see each other's bundles and records") {
  const Folder folder;
  const auto first = opened(folder.file());
  const auto second = open_log("sqlite:" + folder.file()).value();
  first->append(numbered(1)).value();
  second->append(numbered(2)).value();
  first->flush().value();
  second->flush().value();
  CHECK(requests(*first) == requests(*second));
  CHECK(requests(*first).size() == 2);
}

TEST_CASE("while the disk refuses, records wait and flush says so; afterwards they are written") {
  const Folder folder;
  const auto log = opened(folder.file());
  query(folder.file(), "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT raise(ABORT, 'no room'); END");
  for (int i = 0; i < 1500; ++i) REQUIRE(log->append(numbered(i)).ok());
  const auto flushed = log->flush();
  REQUIRE_FALSE(flushed.ok());
  CHECK(code_of(flushed.error()) == ErrorCode::log_failed);
  CHECK(log->count().value() == 1500);
  query(folder.file(), "DROP TRIGGER full");
  log->flush().value();
  CHECK(requests(*log).size() == 1500);
}

TEST_CASE("a record or bundle that was edited in the database is noticed") {
  const Folder folder;
  {
    const auto log = opened(folder.file());
    log->append(sample()).value();
  }
  SECTION("a column") {
    for (const char* edit : {"request_id = 'other'", "as_of = 1", "decision = 'approve'", "risk_score = 0.1", "risk_score = NULL"}) {
      query(folder.file(), std::string("UPDATE records SET ") + edit);
      const auto visited = open_log("sqlite:" + folder.file()).value()->iterate({}, [](const Record&) { return true; });
      CAPTURE(edit);
      REQUIRE_FALSE(visited.ok());
      CHECK(code_of(visited.error()) == ErrorCode::log_format);
    }
  }
  SECTION("the record") {
    query(folder.file(), "UPDATE records SET record = x'0102'");
    const auto visited = open_log("sqlite:" + folder.file()).value()->iterate({}, [](const Record&) { return true; });
    REQUIRE_FALSE(visited.ok());
    CHECK(code_of(visited.error()) == ErrorCode::log_format);
  }
  SECTION("the bundle") {
    query(folder.file(), "UPDATE bundles SET bytes = x'616264'");
    const auto bytes = open_log("sqlite:" + folder.file()).value()->bundle_bytes(abc_hash);
    REQUIRE_FALSE(bytes.ok());
    CHECK(code_of(bytes.error()) == ErrorCode::log_format);
  }
}

TEST_CASE("files that are no decision log are refused and left as they are") {
  const Folder folder;
  SECTION("not SQLite") {
    const std::string text(5000, 'x');
    std::ofstream(folder.file()) << text;
    const auto log = open_log("sqlite:" + folder.file());
    REQUIRE_FALSE(log.ok());
    CHECK(code_of(log.error()) == ErrorCode::log_format);
    CHECK(std::filesystem::file_size(folder.file()) == text.size());
  }
  SECTION("another program's database") {
    query(folder.file(), "CREATE TABLE users (name TEXT)");
    const auto log = open_log("sqlite:" + folder.file());
    REQUIRE_FALSE(log.ok());
    CHECK(code_of(log.error()) == ErrorCode::log_format);
    CHECK(query(folder.file(), "SELECT name FROM sqlite_schema") == std::vector<std::string>{"users"});
  }
  SECTION("a newer featlib's") {
    opened(folder.file());
    query(folder.file(), "PRAGMA user_version = 2");
    const auto log = open_log("sqlite:" + folder.file());
    REQUIRE_FALSE(log.ok());
    CHECK(code_of(log.error()) == ErrorCode::log_format);
  }
}

TEST_CASE("a damaged log file is an error and never a crash") {
  const Folder folder;
  {
    const auto log = opened(folder.file());
    for (int i = 0; i < 200; ++i) log->append(numbered(i)).value();
  }
  std::ifstream in(folder.file(), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed() + 3);
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 150; ++i) {
    std::string damaged = whole;
    for (int flips = 0; flips < 20; ++flips) damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    if (i % 5 == 0) damaged.resize(random() % damaged.size());
    const std::string file = folder.file("damaged.db");
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
    std::ofstream(file, std::ios::binary) << damaged;
    const auto log = open_log("sqlite:" + file);
    if (!log) continue;
    (void)log.value()->iterate({}, [](const Record&) { return true; });
    (void)log.value()->bundle_bytes(abc_hash);
    (void)log.value()->append(numbered(1));
    (void)log.value()->flush();
  }
}

TEST_CASE("a place that cannot be written and a scheme that does not exist say so") {
  const Folder folder;
  const auto missing = open_log("sqlite:" + folder.file("missing/decisions.db"));
  REQUIRE_FALSE(missing.ok());
  CHECK(code_of(missing.error()) == ErrorCode::log_failed);
  for (const char* location : {"postgresql://host/db", "parquet:folder", "decisions.db", "", "sqlite:"}) {
    const auto log = open_log(location);
    CAPTURE(location);
    REQUIRE_FALSE(log.ok());
    CHECK(code_of(log.error()) == ErrorCode::bad_argument);
  }
}

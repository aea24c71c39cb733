#include <featlib/log/log.hpp>

#include <featlib/core/fingerprint.hpp>

#include <boost/unordered/unordered_flat_map.hpp>
#include <fmt/format.h>
#include <sqlite3.h>

#include <cmath>
#include <deque>
#include <limits>
#include <mutex>
#include <new>
#include <utility>

namespace featlib {
namespace {

constexpr int application_id = 0x666c6f67;   // "flog": how `file` and we tell a decision log from other SQLite files
constexpr int schema_version = 1;
constexpr std::size_t batch_rows = 1000;     // a transaction; its one fsync costs as much as some hundred inserts
constexpr std::size_t most_waiting = 100 * batch_rows;   // while the disk refuses, append keeps so many and then refuses too
constexpr int busy_timeout_ms = 10'000;      // another process writing to the same file

// `records` names bundles by number; `decisions` is what people query. It is a view, so that versions are stored once a bundle.
constexpr const char* schema = R"(
CREATE TABLE bundles (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  model_version TEXT NOT NULL,
  feature_schema_version TEXT NOT NULL,
  policy_version TEXT NOT NULL,
  policy TEXT NOT NULL,
  arithmetic TEXT NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL,
  as_of INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  bundle INTEGER NOT NULL REFERENCES bundles (id),
  decision TEXT NOT NULL,
  risk_score REAL,
  margin REAL,
  mode TEXT NOT NULL,
  record BLOB NOT NULL
) STRICT;
CREATE INDEX records_request_id ON records (request_id);
CREATE INDEX records_as_of ON records (as_of);
CREATE VIEW decisions AS
  SELECT r.id, r.request_id, r.as_of, r.timestamp, b.model_version, b.feature_schema_version, b.policy_version,
         b.hash AS bundle, r.decision, r.risk_score, r.margin, r.mode, r.record
  FROM records r JOIN bundles b ON b.id = r.bundle;
)";

// Thrown and caught inside this file: a call is a dozen SQLite calls, and any may fail.
struct Failed {
  ErrorCode code;
  std::string message;
  std::string help = {};
};

/// A prepared statement. Every use ends in reset(), so that no read transaction stays open.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK) fail(database);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int at, std::int64_t value) { return checked(sqlite3_bind_int64(statement_, at, value)); }
  Statement& bind(int at, std::string_view value) { return checked(sqlite3_bind_text64(statement_, at, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8)); }
  Statement& bind(int at, std::span<const std::byte> value) {
    // A null pointer would be a NULL, not an empty blob.
    return checked(value.empty() ? sqlite3_bind_zeroblob(statement_, at, 0) : sqlite3_bind_blob64(statement_, at, value.data(), value.size(), SQLITE_TRANSIENT));
  }
  /// NaN is no number: NULL.
  Statement& bind_number(int at, double value) { return checked(std::isnan(value) ? sqlite3_bind_null(statement_, at) : sqlite3_bind_double(statement_, at, value)); }

  /// True while there is a row.
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    const Failed failed = failure(database_);
    reset();
    throw failed;
  }
  void run() {
    while (step()) {}
    reset();
  }
  void reset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  double number(int column) const {
    const bool null = sqlite3_column_type(statement_, column) == SQLITE_NULL;
    return null ? std::numeric_limits<double>::quiet_NaN() : sqlite3_column_double(statement_, column);
  }
  std::string text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return {data == nullptr ? "" : data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  std::span<const std::byte> blob(int column) const {
    const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
    return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

  static Failed failure(sqlite3* database) {
    const int code = sqlite3_errcode(database) & 0xff;
    const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_FORMAT;
    return {damaged ? ErrorCode::log_format : ErrorCode::log_failed, sqlite3_errmsg(database)};
  }
  [[noreturn]] static void fail(sqlite3* database) { throw failure(database); }

 private:
  Statement& checked(int code) {
    if (code != SQLITE_OK) fail(database_);
    return *this;
  }
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// Resets a statement that is read row by row, however the reading ends.
struct Reading {
  Statement& statement;
  ~Reading() { statement.reset(); }
};

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

void execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) Statement::fail(database);
}

/// Everything inside, or nothing.
class Transaction {
 public:
  explicit Transaction(sqlite3* database) : database_(database) { execute(database, "BEGIN IMMEDIATE"); }
  ~Transaction() {
    if (open_) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    execute(database_, "COMMIT");
    open_ = false;
  }

 private:
  sqlite3* database_;
  bool open_ = true;
};

std::int64_t pragma(sqlite3* database, const char* sql) {
  Statement statement(database, sql);
  return statement.step() ? statement.integer(0) : 0;
}

Database open_database(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(raw);
  if (raw == nullptr) throw std::bad_alloc();
  if (code != SQLITE_OK) Statement::fail(raw);
  sqlite3_busy_timeout(raw, busy_timeout_ms);
  // A file that comes from elsewhere: its schema must not be able to call functions, and damage is looked for.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  execute(raw, "PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON");

  const bool empty = pragma(raw, "SELECT count(*) FROM sqlite_schema") == 0;
  const auto id = pragma(raw, "PRAGMA application_id"), version = pragma(raw, "PRAGMA user_version");
  if (!empty && id != application_id) throw Failed{ErrorCode::log_format, "this SQLite file is not a decision log", "give the log a file of its own"};
  if (version > schema_version) throw Failed{ErrorCode::log_format, fmt::format("the log has format {}; this version reads {}", version, schema_version), "it was written by a newer featlib"};
  execute(raw, "PRAGMA journal_mode = WAL");   // readers never wait for the writer
  execute(raw, "PRAGMA synchronous = FULL");   // a committed batch survives a power cut, which NORMAL does not promise under WAL
  if (empty) {
    Transaction transaction(raw);
    if (pragma(raw, "SELECT count(*) FROM sqlite_schema") == 0) {   // nobody else was faster
      execute(raw, schema);
      execute(raw, fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, schema_version).c_str());
    }
    transaction.commit();
  }
  return database;
}

class SqliteLog final : public DecisionLog {
 public:
  explicit SqliteLog(std::string path)
      : path_(std::move(path)),
        database_(open_database(path_)),
        insert_bundle_(database_.get(), "INSERT INTO bundles (hash, model_version, feature_schema_version, policy_version, policy, arithmetic, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)"),
        find_bundle_(database_.get(), "SELECT id, model_version, feature_schema_version, policy_version, policy, arithmetic, bytes FROM bundles WHERE hash = ?"),
        insert_record_(database_.get(), "INSERT INTO records (request_id, as_of, timestamp, bundle, decision, risk_score, margin, mode, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        by_time_(database_.get(), "SELECT request_id, as_of, decision, risk_score, record FROM records WHERE as_of >= ?1 AND (as_of < ?2 OR ?2 = 9223372036854775807) ORDER BY id"),
        by_request_(database_.get(), "SELECT request_id, as_of, decision, risk_score, record FROM records WHERE as_of >= ?1 AND (as_of < ?2 OR ?2 = 9223372036854775807) AND request_id = ?3 ORDER BY id"),
        count_(database_.get(), "SELECT count(*) FROM records") {}

  /// What is waiting is written. Whoever must know whether that worked calls flush().
  ~SqliteLog() override { (void)flush(); }

  Result<std::monostate> store_bundle(const Versions& versions, std::span<const std::byte> bytes) override {
    return guarded<std::monostate>([&] {
      if (sha256_hex(bytes) != versions.bundle) throw Failed{ErrorCode::bad_argument, fmt::format("the bytes are not those of bundle {}", versions.bundle.substr(0, 64))};
      if (id_of(versions.bundle)) return std::monostate{};
      Transaction transaction(database_.get());
      if (!id_of(versions.bundle)) {   // another process may have been faster
        insert_bundle_.bind(1, versions.bundle).bind(2, versions.model_version).bind(3, versions.feature_schema_version);
        insert_bundle_.bind(4, versions.policy_version).bind(5, versions.policy).bind(6, versions.arithmetic).bind(7, bytes).run();
      }
      transaction.commit();
      return std::monostate{};
    });
  }

  Result<std::monostate> append(const Record& record) override {
    return guarded<std::monostate>([&] {
      if (!waiting_.empty() && waiting_.size() % batch_rows == 0) write_batch();
      const auto bundle = id_of(record.bundle);
      if (!bundle) throw Failed{ErrorCode::bad_argument, fmt::format("the log does not have bundle {}", record.bundle.substr(0, 64)), "store_bundle() comes before append()"};
      waiting_.push_back({record.request_id, record.as_of, record.decided_at, *bundle, record.outcome, record.mode, record.score, record.margin, encode(record)});
      return std::monostate{};
    });
  }

  Result<std::monostate> flush() override {
    return guarded<std::monostate>([&] {
      write_waiting();
      return std::monostate{};
    });
  }

  Result<std::monostate> iterate(const LogFilter& filter, const std::function<bool(const Record&)>& visit) override {
    return guarded<std::monostate>([&] {
      write_waiting();
      Statement& statement = filter.request_id ? by_request_ : by_time_;
      const Reading reading{statement};
      statement.bind(1, filter.from).bind(2, filter.until);
      if (filter.request_id) statement.bind(3, std::string_view(*filter.request_id));
      while (statement.step()) {
        Record record = decode_record(statement.blob(4)).value();
        // The columns are for people and indexes. One that says something else than its record was edited.
        const double score = statement.number(3);
        if (record.request_id != statement.text(0) || record.as_of != statement.integer(1) || to_string(record.outcome) != statement.text(2) ||
            !(record.score == score || (std::isnan(record.score) && std::isnan(score))))
          throw Failed{ErrorCode::log_format, fmt::format("the columns of request `{}` do not say what its record says", record.request_id.substr(0, 80))};
        if (!visit(record)) break;
      }
      return std::monostate{};
    });
  }

  Result<std::vector<std::byte>> bundle_bytes(std::string_view bundle) override {
    return guarded<std::vector<std::byte>>([&] {
      const Reading reading = find(bundle);
      const auto bytes = reading.statement.blob(6);
      if (sha256_hex(bytes) != bundle) throw Failed{ErrorCode::log_format, fmt::format("the stored bundle {} was altered", bundle)};
      return std::vector<std::byte>(bytes.begin(), bytes.end());
    });
  }

  Result<Versions> versions(std::string_view bundle) override {
    return guarded<Versions>([&] {
      const Reading reading = find(bundle);
      const Statement& row = reading.statement;
      return Versions{std::string(bundle), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5)};
    });
  }

  Result<std::int64_t> count() override {
    return guarded<std::int64_t>([&] {
      const Reading reading{count_};
      count_.step();
      return count_.integer(0) + static_cast<std::int64_t>(waiting_.size());
    });
  }

 private:
  struct Waiting {
    std::string request_id;
    Instant as_of, decided_at;
    std::int64_t bundle;
    Outcome outcome;
    Mode mode;
    double score, margin;
    std::vector<std::byte> record;
  };

  template <class T, class Call>
  Result<T> guarded(Call call) {
    const std::lock_guard lock(mutex_);
    try {
      return call();
    } catch (const Failed& failed) {
      return Error(failed.code, failed.message, failed.help, path_);
    } catch (const Error& error) {
      return error;
    }
  }

  /// A record is accepted or refused, never both: a disk that fails for a while is told by flush(), and by append only when no more fits.
  void write_batch() {
    try {
      write_waiting();
    } catch (const Failed&) {
      if (waiting_.size() >= most_waiting) throw;
    }
  }

  /// In one transaction. What could not be written stays, for the next try.
  void write_waiting() {
    if (waiting_.empty()) return;
    Transaction transaction(database_.get());
    for (const Waiting& row : waiting_) {
      insert_record_.bind(1, std::string_view(row.request_id)).bind(2, row.as_of).bind(3, row.decided_at).bind(4, row.bundle);
      insert_record_.bind(5, to_string(row.outcome)).bind_number(6, row.score).bind_number(7, row.margin).bind(8, to_string(row.mode));
      insert_record_.bind(9, std::span<const std::byte>(row.record)).run();
    }
    transaction.commit();
    waiting_.clear();
  }

  Reading find(std::string_view bundle) {
    find_bundle_.bind(1, bundle);
    if (find_bundle_.step()) return {find_bundle_};
    find_bundle_.reset();
    throw Failed{ErrorCode::log_failed, fmt::format("the log does not have bundle {}", bundle.substr(0, 64))};
  }

  std::optional<std::int64_t> id_of(const std::string& bundle) {
    if (const auto known = ids_.find(bundle); known != ids_.end()) return known->second;
    const Reading reading{find_bundle_};
    find_bundle_.bind(1, std::string_view(bundle));
    if (!find_bundle_.step()) return std::nullopt;
    return ids_[bundle] = find_bundle_.integer(0);
  }

  std::string path_;
  Database database_;
  Statement insert_bundle_, find_bundle_, insert_record_, by_time_, by_request_, count_;
  boost::unordered_flat_map<std::string, std::int64_t> ids_;   // by hash
  std::deque<Waiting> waiting_;
  std::mutex mutex_;
};

}  // namespace

Result<std::shared_ptr<DecisionLog>> open_log(std::string_view location) {
  constexpr std::string_view scheme = "sqlite:";
  if (!location.starts_with(scheme))
    return Error(ErrorCode::bad_argument, fmt::format("this version has no decision log for `{}`", location), "write sqlite:PATH");
  const std::string path(location.substr(scheme.size()));
  if (path.empty()) return Error(ErrorCode::bad_argument, "the decision log has no path", "write sqlite:PATH");   // SQLite would make a temporary file
  try {
    return std::shared_ptr<DecisionLog>(std::make_shared<SqliteLog>(path));
  } catch (const Failed& failed) {
    return Error(failed.code, failed.message, failed.help, path);
  }
}

}  // namespace featlib

#include "store/sqlite.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace assay::store {

using base::ErrorKind;
using base::Fail;

namespace {

// How long to wait for another process that holds the database for a moment (recovery, checkpoint).
constexpr int kBusyTimeoutMs = 10'000;

// In a file: URI these characters would end the path.
std::string EscapeForUri(const std::string& path) {
  std::string escaped;
  for (const char c : path) {
    if (c == '?' || c == '#' || c == '%') {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      escaped += c;
    }
  }
  return escaped;
}

int OpenFlags(Connection::Access access) {
  switch (access) {
    case Connection::Access::kRead:
      return SQLITE_OPEN_READONLY;
    case Connection::Access::kReadUnchanging:
      return SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    case Connection::Access::kWrite:
      return SQLITE_OPEN_READWRITE;
    case Connection::Access::kCreate:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return 0;
}

}  // namespace

Query::Query(Connection& connection, std::string_view sql) : connection_(connection) {
  auto found = connection.idle_.find(sql);
  if (found == connection.idle_.end()) found = connection.idle_.try_emplace(std::string(sql)).first;
  sql_ = found->first;
  if (!found->second.empty()) {
    statement_ = found->second.back();
    found->second.pop_back();
    return;
  }
  const int code =
      sqlite3_prepare_v3(connection.database_, sql_.data(), static_cast<int>(sql_.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  // Our statements are fixed: one that does not fit the tables means that these are not the tables
  // we made.
  if (code == SQLITE_ERROR) {
    connection.FailDamaged(
        fmt::format("unexpected tables ({})", sqlite3_errmsg(connection.database_)));
  }
  if (code != SQLITE_OK) connection.FailLast(code, "reading");
}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  connection_.idle_.find(sql_)->second.push_back(statement_);
}

void Query::Reset() { sqlite3_reset(statement_); }

bool Query::Next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  connection_.FailLast(code, sqlite3_stmt_readonly(statement_) ? "reading" : "writing");
}

int Query::Int(int column) const {
  const int64_t value = Int64(column);
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    FailColumn(column, "is out of range");
  }
  return static_cast<int>(value);
}

double Query::Real(int column) const {
  return IsNull(column) ? NAN : sqlite3_column_double(statement_, column);
}

std::optional<double> Query::OptionalReal(int column) const {
  if (IsNull(column)) return std::nullopt;
  return sqlite3_column_double(statement_, column);
}

std::string_view Query::Bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

void Query::FailColumn(int column, std::string_view what) const {
  const char* name = sqlite3_column_name(statement_, column);
  connection_.FailDamaged(fmt::format("'{}' {}, read by: {}", name ? name : "?", what, sql_));
}

void Query::BindInt64(int index, int64_t value) {
  const int code = sqlite3_bind_int64(statement_, index, value);
  if (code != SQLITE_OK) connection_.FailLast(code, "binding");
}

void Query::BindReal(int index, double value) {
  const int code = sqlite3_bind_double(statement_, index, value);
  if (code != SQLITE_OK) connection_.FailLast(code, "binding");
}

void Query::BindText(int index, std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  const int code = sqlite3_bind_text64(statement_, index, text.empty() ? "" : text.data(),
                                       text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) connection_.FailLast(code, "binding");
}

void Query::BindBlob(int index, std::string_view bytes) {
  const int code = sqlite3_bind_blob64(statement_, index, bytes.empty() ? "" : bytes.data(),
                                       bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) connection_.FailLast(code, "binding");
}

void Query::BindNull(int index) {
  const int code = sqlite3_bind_null(statement_, index);
  if (code != SQLITE_OK) connection_.FailLast(code, "binding");
}

Connection::Connection(const std::filesystem::path& path, Access access) : path_(path) {
  const std::string name = access == Access::kReadUnchanging
                               ? "file:" + EscapeForUri(path.string()) + "?immutable=1"
                               : path.string();
  const int code = sqlite3_open_v2(name.c_str(), &database_, OpenFlags(access), nullptr);
  try {
    if (code != SQLITE_OK) FailLast(code, "opening");
    sqlite3_extended_result_codes(database_, 1);
    sqlite3_busy_timeout(database_, kBusyTimeoutMs);
    // A damaged file must not be able to run anything or to make us write where we do not mean to.
    sqlite3_db_config(database_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(database_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

Connection::~Connection() {
  for (const auto& [sql, statements] : idle_) {
    for (sqlite3_stmt* statement : statements) sqlite3_finalize(statement);
  }
  sqlite3_close(database_);
}

void Connection::Script(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) FailLast(code, "changing");
}

int64_t Connection::Pragma(std::string_view name) {
  Query query(*this, fmt::format("PRAGMA {}", name));
  return query.Next() ? query.Int64(0) : 0;
}

void Connection::FailLast(int code, std::string_view doing) const {
  std::string reason = database_ != nullptr ? sqlite3_errmsg(database_) : sqlite3_errstr(code);
  const int system_code = database_ != nullptr ? sqlite3_system_errno(database_) : 0;
  if (system_code != 0) reason += fmt::format(" ({})", std::strerror(system_code));
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      Fail(ErrorKind::kBadInput, "{}: damaged, or not a database: {}", path_.string(), reason);
    case SQLITE_FULL:
      Fail(ErrorKind::kIo, "{}: {} failed, the disk is full: {}", path_.string(), doing, reason);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      Fail(ErrorKind::kIo, "{}: {} failed, another process holds the database: {}", path_.string(),
           doing, reason);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      Fail(ErrorKind::kIo, "{}: {} failed: {}", path_.string(), doing, reason);
    default:
      Fail(ErrorKind::kInternal, "{}: {} failed: {} (SQLite code {})", path_.string(), doing,
           reason, code);
  }
}

void Connection::FailDamaged(const std::string& what) const {
  Fail(ErrorKind::kBadInput, "{}: damaged: {}", path_.string(), what);
}

}  // namespace assay::store

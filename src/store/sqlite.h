// A thin layer over one SQLite connection: prepared statements that are kept, typed binding and
// reading, and errors that name the file. Internal to store; everything else goes through RunStore.
// Not thread-safe.
#pragma once

#include <sqlite3.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace assay::store {

// Vectors are stored as they lie in memory, so that reading and writing them costs a copy.
static_assert(std::endian::native == std::endian::little, "run files are little-endian");

// Bytes to bind as a BLOB; borrowed.
struct Blob {
  std::string_view bytes;
};
template <typename T>
Blob AsBlob(const std::vector<T>& values) {
  static_assert(std::is_arithmetic_v<T>);
  return {{reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)}};
}

class Connection;

// A statement in use; it returns to its connection's idle statements when destroyed. Columns count
// from 0 and are valid after Next() returned true. Values that do not fit the type asked for throw
// kBadInput naming the file.
class Query {
 public:
  Query(Connection& connection, std::string_view sql);
  template <typename... Args>
  Query(Connection& connection, std::string_view sql, const Args&... args)
      : Query(connection, sql) {
    Rebind(args...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool Next();  // false when there are no more rows

  // Runs the statement again with other values.
  template <typename... Args>
  void Rebind(const Args&... args) {
    Reset();
    int index = 0;
    (Bind(++index, args), ...);
  }

  int64_t Int64(int column) const { return sqlite3_column_int64(statement_, column); }
  int Int(int column) const;
  int Columns() const { return sqlite3_column_count(statement_); }
  int Type(int column) const {
    return sqlite3_column_type(statement_, column);
  }  // SQLITE_NULL, SQLITE_INTEGER, ...
  bool IsNull(int column) const { return Type(column) == SQLITE_NULL; }
  double Real(int column) const;  // NaN, which SQLite keeps as NULL, comes back as NaN
  float Float(int column) const { return static_cast<float>(Real(column)); }
  std::optional<double> OptionalReal(int column) const;
  std::string_view Bytes(
      int column) const;  // of a TEXT or BLOB; valid until the next call of Next()
  std::string String(int column) const { return std::string(Bytes(column)); }

  // The enumerator with this number; `last` is the largest there is.
  template <typename Enum>
  Enum EnumUpTo(Enum last, int column) const {
    const int64_t value = Int64(column);
    if (value < 0 || value > static_cast<int64_t>(last)) FailColumn(column, "is out of range");
    return static_cast<Enum>(value);
  }

  template <typename T>
  std::vector<T> Vector(int column) const {
    const std::string_view bytes = Bytes(column);
    if (bytes.size() % sizeof(T) != 0) FailColumn(column, "is cut off");
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  // Throws kBadInput: the file is damaged at this column of this row.
  [[noreturn]] void FailColumn(int column, std::string_view what) const;

 private:
  void Reset();
  void BindInt64(int index, int64_t value);
  void BindReal(int index, double value);
  void BindText(int index, std::string_view text);
  void BindBlob(int index, std::string_view bytes);
  void BindNull(int index);

  template <typename T>
  void Bind(int index, const T& value) {
    if constexpr (std::is_same_v<T, Blob>) {
      BindBlob(index, value.bytes);
    } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      BindInt64(index, static_cast<int64_t>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
      BindReal(index, value);
    } else {
      BindText(index, value);
    }
  }
  template <typename T>
  void Bind(int index, const std::optional<T>& value) {
    value ? Bind(index, *value) : BindNull(index);
  }

  Connection& connection_;
  std::string_view sql_;  // the key among the connection's idle statements
  sqlite3_stmt* statement_;
};

class Connection {
 public:
  enum class Access {
    kRead,
    kReadUnchanging,  // for a folder in which SQLite cannot keep its lock files: nobody may write
                      // meanwhile
    kWrite,
    kCreate,
  };

  // Throws kIo or kBadInput. SQLite reads the file only at the first query, so damage may show up
  // later.
  Connection(const std::filesystem::path& path, Access access);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  template <typename... Args>
  Query Select(std::string_view sql, const Args&... args) {
    return Query(*this, sql, args...);
  }

  // Runs one statement that returns no rows (or whose rows do not matter).
  template <typename... Args>
  void Run(std::string_view sql, const Args&... args) {
    Query query(*this, sql);
    query.Rebind(args...);
    while (query.Next()) {
    }
  }

  // Runs statements without parameters, one after the other.
  void Script(const std::string& sql);

  int64_t Pragma(std::string_view name);  // the value of an integer pragma
  bool InTransaction() const { return sqlite3_get_autocommit(database_) == 0; }
  int64_t ChangedRows() const { return sqlite3_changes64(database_); }
  const std::filesystem::path& path() const { return path_; }

  // Throws the error of the last SQLite call: kBadInput for a damaged file, else kIo or kInternal.
  [[noreturn]] void FailLast(int code, std::string_view doing) const;
  // Throws kBadInput naming the file.
  [[noreturn]] void FailDamaged(const std::string& what) const;

 private:
  friend class Query;
  std::filesystem::path path_;
  sqlite3* database_ = nullptr;
  std::map<std::string, std::vector<sqlite3_stmt*>, std::less<>> idle_;
};

}  // namespace assay::store

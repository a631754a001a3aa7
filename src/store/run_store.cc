#include "store/run_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <system_error>

#include "store/database.h"
#include "store/plain_token.h"
#include "store/schema.h"

namespace assay::store {
namespace fs = std::filesystem;

using base::ErrorKind;
using base::Fail;

namespace {

constexpr const char* kFileName = "assay.db";

// NORMAL: in WAL mode a crash of the machine can lose the last transactions, but never leaves a
// part of one. The cache holds the inner pages of the search index, into which rows go in no order.
constexpr const char* kConnectionSettings =
    "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;";
// Many readers can be open at once (a server's): each keeps less.
constexpr const char* kReaderSettings = "PRAGMA cache_size = -16384;";
constexpr const char* kWriterSettings =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF;"
    "PRAGMA journal_size_limit = 67108864;";

bool IsWritable(const fs::path& folder) {
  return ::faccessat(AT_FDCWD, folder.c_str(), W_OK, AT_EACCESS) == 0;
}

// Made under another name and renamed when complete: assay.db is never without its tables.
void CreateDatabase(const fs::path& path) {
  const fs::path unfinished = path.string() + ".new";
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code ignored;  // a file that stays makes the next step fail
    fs::remove(unfinished.string() + suffix, ignored);
  }
  {
    Connection connection(unfinished, Connection::Access::kCreate);
    connection.Script("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;");
    Migrate(connection, Migrations());
  }
  std::error_code code;
  fs::rename(unfinished, path, code);
  if (code) Fail(ErrorKind::kIo, "{}: cannot be created: {}", path.string(), code.message());
}

bool HasWal(const fs::path& path) {
  std::error_code code;
  const auto bytes = fs::file_size(path.string() + "-wal", code);
  return !code && bytes > 0;
}

// SQLite misses a cut through the last page and reads zeros there. (With a WAL it may be about to
// be mended.)
void CheckWholePages(Connection& connection) {
  const int64_t page_bytes = connection.Pragma("page_size");
  std::error_code code;
  const auto bytes = fs::file_size(connection.path(), code);
  if (code || HasWal(connection.path()) || bytes % static_cast<uint64_t>(page_bytes) == 0) return;
  connection.FailDamaged(
      fmt::format("cut off: {} bytes, expected a multiple of {}", bytes, page_bytes));
}

std::unique_ptr<Connection> OpenForWriting(const fs::path& path) {
  std::error_code ignored;  // a file that cannot be looked at cannot be opened either
  if (!fs::exists(path, ignored)) CreateDatabase(path);
  auto connection = std::make_unique<Connection>(path, Connection::Access::kWrite);
  // Before anything is changed: the file may belong to another program.
  const int version = CheckedVersion(*connection, Migrations());
  CheckWholePages(*connection);
  connection->Script(kConnectionSettings);
  connection->Script(kWriterSettings);
  if (version < Migrations().back().version) Migrate(*connection, Migrations());
  return connection;
}

std::unique_ptr<Connection> OpenForReading(const fs::path& path, Connection::Access access) {
  auto connection = std::make_unique<Connection>(path, access);
  const int version = CheckedVersion(*connection, Migrations());
  CheckWholePages(*connection);
  const int newest = Migrations().back().version;
  if (version < newest) {
    Fail(ErrorKind::kUnsupported,
         "{}: schema version {}, this program reads {}; opening the run for writing once brings it "
         "up to date",
         path.string(), version, newest);
  }
  connection->Script(kConnectionSettings);
  connection->Script(kReaderSettings);
  return connection;
}

// SQLite keeps the WAL's index in a file beside the database, also for readers. In a folder where
// it cannot, a run without a WAL (its writer ended properly) can be read as a file that nobody
// changes.
std::unique_ptr<Connection> OpenForReading(const fs::path& path) {
  try {
    return OpenForReading(path, Connection::Access::kRead);
  } catch (const base::Error& error) {
    if (error.kind() != ErrorKind::kIo || IsWritable(path.parent_path())) throw;
    if (HasWal(path)) {
      Fail(ErrorKind::kIo,
           "{}: its last changes are still in {}-wal, which cannot be read in a folder without "
           "write "
           "permission; copy the folder to a place that can be written to ({})",
           path.string(), path.string(), error.what());
    }
  }
  return OpenForReading(path, Connection::Access::kReadUnchanging);
}

}  // namespace

RunStore RunStore::Open(const fs::path& folder, Mode mode) {
  auto database = std::make_unique<Database>();
  const fs::path path = (folder.empty() ? fs::path(".") : folder) / kFileName;
  std::error_code code;
  if (mode == Mode::kWrite) {
    fs::create_directories(path.parent_path(), code);
    if (code) Fail(ErrorKind::kIo, "{}: cannot be created: {}", folder.string(), code.message());
    database->lock = std::make_unique<WriterLock>(path.parent_path());
    database->connection = OpenForWriting(path);
  } else {
    const bool exists = fs::exists(path, code);
    if (code) Fail(ErrorKind::kIo, "{}: cannot be opened: {}", path.string(), code.message());
    if (!exists) {
      Fail(ErrorKind::kNotFound, "{}: no run here ({} is missing)", folder.string(), kFileName);
    }
    database->connection = OpenForReading(path);
  }
  return RunStore(std::move(database));
}

RunStore::RunStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}
RunStore::RunStore(RunStore&&) noexcept = default;
RunStore& RunStore::operator=(RunStore&&) noexcept = default;
RunStore::~RunStore() = default;

void RunStore::Transaction(const std::function<void()>& work) {
  if (database_->in_transaction) Fail(ErrorKind::kInternal, "a transaction within a transaction");
  struct Mark {
    explicit Mark(bool& open) : open_(open) { open_ = true; }
    ~Mark() { open_ = false; }
    bool& open_;
  };
  database_->Atomically([&](Connection&) {
    const Mark mark(database_->in_transaction);
    work();
    database_->ForWriting();  // throws if a failure that `work` kept to itself has undone the
                              // transaction
  });
}

void RunStore::PutManifest(const std::string& key, const nlohmann::json& value) {
  std::string text;
  try {
    text = value.dump();
  } catch (const nlohmann::json::exception& error) {
    Fail(ErrorKind::kBadInput, "manifest entry '{}' cannot be written as JSON: {}", key,
         error.what());
  }
  database_->ForWriting().Run("INSERT OR REPLACE INTO manifest (key, value) VALUES (?, ?)", key,
                              text);
}

namespace {

nlohmann::json ParseManifest(const Query& row, int column) {
  try {
    return nlohmann::json::parse(row.Bytes(column));
  } catch (const nlohmann::json::exception&) {
    row.FailColumn(column, "is not valid JSON");
  }
}

}  // namespace

std::optional<nlohmann::json> RunStore::Manifest(const std::string& key) const {
  Query row(*database_->connection, "SELECT value FROM manifest WHERE key = ?", key);
  if (!row.Next()) return std::nullopt;
  return ParseManifest(row, 0);
}

nlohmann::json RunStore::WholeManifest() const {
  nlohmann::json manifest = nlohmann::json::object();
  Query row(*database_->connection, "SELECT key, value FROM manifest ORDER BY key");
  while (row.Next()) manifest[row.String(0)] = ParseManifest(row, 1);
  return manifest;
}

void RunStore::PutTokenTexts(std::span<const std::string> texts) {
  database_->Atomically([&](Connection& connection) {
    connection.Run("DELETE FROM tokens");
    int64_t id = 0;
    for (const std::string& text : texts) {
      const std::string plain = PlainToken(text);
      connection.Run("INSERT INTO tokens (id, text, plain) VALUES (?, ?, ?)", id++, Blob{text},
                     Blob{plain});
    }
  });
}

std::vector<std::string> RunStore::TokenTexts() const {
  std::vector<std::string> texts;
  Query row(*database_->connection, "SELECT id, text FROM tokens ORDER BY id");
  while (row.Next()) {
    if (row.Int64(0) != static_cast<int64_t>(texts.size())) row.FailColumn(0, "leaves a gap");
    texts.push_back(row.String(1));
  }
  return texts;
}

}  // namespace assay::store

#include "store/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/run_store.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

using base::ErrorKind;
using testing::HasSubstr;
using Mode = RunStore::Mode;

class SchemaTest : public testing::Test {
 protected:
  SchemaTest() {
    RunStore store = RunStore::Open(folder_.path(), Mode::kWrite);
    FillRun(store, 3);
  }

  // The real migrations and one more.
  std::vector<Migration> WithNext(const char* sql) {
    std::vector<Migration> migrations(Migrations().begin(), Migrations().end());
    migrations.push_back({newest_ + 1, sql});
    return migrations;
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "assay.db";
  int newest_ = Migrations().back().version;
};

TEST_F(SchemaTest, VersionsCountUpFromOne) {
  int expected = 1;
  for (const Migration& migration : Migrations()) EXPECT_EQ(migration.version, expected++);
}

TEST_F(SchemaTest, AMigrationKeepsTheRows) {
  Connection connection(file_, Connection::Access::kWrite);
  const auto migrations = WithNext(
      "ALTER TABLE unit_stats ADD COLUMN skewness REAL; UPDATE unit_stats SET skewness = layer; "
      "CREATE TABLE notes (unit INTEGER PRIMARY KEY, text TEXT) STRICT");
  EXPECT_EQ(CheckedVersion(connection, migrations), newest_);
  Migrate(connection, migrations);
  EXPECT_EQ(CheckedVersion(connection, migrations), newest_ + 1);
  Query row(connection, "SELECT count(*), sum(skewness), sum(tokens) FROM unit_stats");
  ASSERT_TRUE(row.Next());
  EXPECT_EQ(row.Int(0), 3);
  EXPECT_EQ(row.Real(1), 0 + 1 + 2);
  EXPECT_EQ(row.Int(2), 1000 + 1001 + 1002);
  Migrate(connection, migrations);  // nothing is left to do
}

TEST_F(SchemaTest, AnEmptyDatabaseGetsAllMigrations) {
  Connection connection(folder_.path() / "other.db", Connection::Access::kCreate);
  Migrate(connection, WithNext("CREATE TABLE notes (unit INTEGER PRIMARY KEY) STRICT"));
  EXPECT_EQ(connection.Pragma("user_version"), newest_ + 1);
  EXPECT_EQ(connection.Pragma("application_id"), kApplicationId);
  EXPECT_FALSE(connection.Select("SELECT unit FROM notes").Next());
}

TEST_F(SchemaTest, AFailedMigrationChangesNothing) {
  const std::string before = RunStore::Open(folder_.path(), Mode::kRead).ContentHash();
  {
    Connection connection(file_, Connection::Access::kWrite);
    EXPECT_THROW(
        Migrate(connection, WithNext("DELETE FROM scores; UPDATE scores SET no_such_column = 1")),
        base::Error);
    EXPECT_FALSE(connection.InTransaction());
  }
  EXPECT_EQ(RunStore::Open(folder_.path(), Mode::kRead).ContentHash(), before);
}

TEST_F(SchemaTest, ANewerSchemaIsBadInputWithBothVersions) {
  {
    Connection connection(file_, Connection::Access::kWrite);
    connection.Script("PRAGMA user_version = 77");
  }
  for (const Mode mode : {Mode::kRead, Mode::kWrite}) {
    const base::Error error = ErrorOf([&] { RunStore::Open(folder_.path(), mode); });
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr(file_.string()));
    EXPECT_THAT(error.what(), HasSubstr("77"));
    EXPECT_THAT(error.what(), HasSubstr("up to " + std::to_string(newest_)));
  }
}

TEST_F(SchemaTest, AnUnfinishedCreationIsStartedAnew) {
  const std::filesystem::path other = folder_.path() / "other";
  std::filesystem::create_directory(other);
  std::filesystem::copy_file(file_, other / "assay.db.new");
  std::filesystem::resize_file(other / "assay.db.new", 1000);
  EXPECT_EQ(ErrorOf([&] { RunStore::Open(other, Mode::kRead); }).kind(), ErrorKind::kNotFound);
  EXPECT_TRUE(RunStore::Open(other, Mode::kWrite).UnitsWithStats().empty());
  EXPECT_FALSE(std::filesystem::exists(other / "assay.db.new"));
}

}  // namespace
}  // namespace assay::store

// Files that are no runs, or damaged ones: always a base::Error that names the file, never a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/rng.h"
#include "store/graph_index.h"
#include "store/run_store.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using testing::HasSubstr;
using Mode = RunStore::Mode;

class DamageTest : public testing::Test {
 protected:
  DamageTest() {
    {
      RunStore store = RunStore::Open(folder_.path(), Mode::kWrite);
      FillRun(store, 200);
    }
    intact_ = base::ReadFile(file_);
  }

  base::Error ErrorOfOpening(Mode mode) {
    return ErrorOf([&] { RunStore::Open(folder_.path(), mode); });
  }

  void ExpectBadInput(const std::string& content) {
    for (const Mode mode : {Mode::kRead, Mode::kWrite}) {
      base::WriteFile(file_, content);
      const base::Error error = ErrorOfOpening(mode);
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(file_.string()));
      EXPECT_EQ(base::ReadFile(file_), content) << "the file was changed";
    }
  }

  TemporaryFolder folder_;
  fs::path file_ = folder_.path() / "assay.db";
  std::string intact_;
};

void ReadEverything(const fs::path& folder) {
  const RunStore store = RunStore::Open(folder, Mode::kRead);
  store.WholeManifest();
  store.TokenTexts();
  store.UnitsWithStats();
  store.UnitsWithExamples();
  for (const std::string& set : store.ScoreSets()) store.GetScores(set);
  for (const UnitId unit : store.UnitsWithGraph()) {
    store.GetStats(unit);
    for (const Example& example : store.GetExamples(unit)) store.GetSequence(example.sequence);
    store.GetPrunings(unit);
    store.GetPrompts(unit);
    store.GetGraph(unit);
    store.GetScores(unit);
  }
  store.ContentHash();
  const GraphIndex index(store);
  index.Search({.activating = {"token1"}, .context = {"token20"}, .limit = 1000});
  index.Search({.repeated = true, .layer = 1, .limit = 1000});
  index.Search({.min_f1 = 0.2, .limit = 1000});
  index.Similar(std::nullopt, SetOverlap::kSubset, 0.5, 1000);
  index.Similar(UnitId{1, 1}, SetOverlap::kOverlap, 0.5, 1000);
}

// Whether an error was thrown; it must be of the right kind. Damage need not show: the bytes may be
// unused.
bool Fails(const fs::path& folder) {
  try {
    ReadEverything(folder);
    return false;
  } catch (const base::Error& error) {
    // A damaged key can also make a row be missed.
    EXPECT_TRUE(error.kind() == ErrorKind::kBadInput || error.kind() == ErrorKind::kNotFound)
        << error.what();
    EXPECT_THAT(error.what(), HasSubstr("assay.db"));
    return true;
  }
}

// Writing into a damaged file may work or fail.
void Overwrite(const fs::path& folder) {
  try {
    RunStore store = RunStore::Open(folder, Mode::kWrite);
    store.Transaction([&] {
      for (int i = 150; i < 250; ++i) PutAll(store, MakeRows(i));
    });
    store.DropScores();
    store.DropGraphs();
  } catch (const base::Error&) {
  }
}

TEST_F(DamageTest, AMissingRunIsNotFound) {
  EXPECT_EQ(ErrorOf([&] { RunStore::Open(folder_.path() / "absent", Mode::kRead); }).kind(),
            ErrorKind::kNotFound);
  EXPECT_FALSE(fs::exists(folder_.path() / "absent"));
  fs::create_directory(folder_.path() / "empty");
  const base::Error error = ErrorOf([&] { RunStore::Open(folder_.path() / "empty", Mode::kRead); });
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr((folder_.path() / "empty").string()));
}

TEST_F(DamageTest, AFileInPlaceOfTheFolderIsAnIoError) {
  EXPECT_EQ(ErrorOf([&] { RunStore::Open(file_, Mode::kWrite); }).kind(), ErrorKind::kIo);
  EXPECT_EQ(ErrorOf([&] { RunStore::Open(file_, Mode::kRead); }).kind(), ErrorKind::kNotFound);
}

TEST_F(DamageTest, AFolderInPlaceOfTheFileIsAnError) {
  fs::remove(file_);
  fs::create_directory(file_);
  for (const Mode mode : {Mode::kRead, Mode::kWrite}) {
    EXPECT_THAT(ErrorOfOpening(mode).what(), HasSubstr(file_.string()));
  }
}

TEST_F(DamageTest, OtherFilesAreBadInput) {
  ExpectBadInput("");
  ExpectBadInput("Dear diary,\n" + std::string(20'000, 'x'));
  ExpectBadInput("SQLite format 3");
  ExpectBadInput(std::string(16'384, '\0'));
  ExpectBadInput("SQLite format 3" + std::string(8'193, '\0'));
}

TEST_F(DamageTest, ADatabaseOfAnotherProgramIsBadInput) {
  fs::remove(file_);
  {
    Connection connection(file_, Connection::Access::kCreate);
    connection.Script("CREATE TABLE bookmarks (url TEXT)");
  }
  const std::string content = base::ReadFile(file_);
  ExpectBadInput(content);
}

TEST_F(DamageTest, ATruncatedFileIsBadInput) {
  ASSERT_GT(intact_.size(), 200'000u);
  for (const size_t length :
       {size_t{1}, size_t{50}, size_t{99}, size_t{100}, size_t{4096}, size_t{8191}, size_t{8192},
        intact_.size() / 2, intact_.size() - 8192, intact_.size() - 1}) {
    SCOPED_TRACE(length);
    ExpectBadInput(intact_.substr(0, length));
  }
}

TEST_F(DamageTest, MissingTablesAreBadInput) {
  {
    Connection connection(file_, Connection::Access::kWrite);
    connection.Script("DROP TABLE examples; DROP TABLE graph_tokens");
  }
  EXPECT_TRUE(Fails(folder_.path()));
  const base::Error error = ErrorOf([&] {
    RunStore::Open(folder_.path(), Mode::kRead).GetExamples({0, 0});
  });
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
}

TEST_F(DamageTest, PagesOfGarbageAreErrorsOrUnused) {
  constexpr size_t kPage = 8192;
  base::Rng rng(3, "garbage");
  int failures = 0;
  const size_t pages = intact_.size() / kPage;
  for (size_t page = 0; page < pages; ++page) {
    SCOPED_TRACE(page);
    std::string damaged = intact_;
    for (size_t i = 0; i < kPage; ++i) {
      damaged[page * kPage + i] = static_cast<char>(rng.Below(256));
    }
    base::WriteFile(file_, damaged);
    failures += Fails(folder_.path());
    Overwrite(folder_.path());
  }
  EXPECT_GT(failures, static_cast<int>(pages) / 2);
}

TEST_F(DamageTest, ChangedBytesAreErrorsOrHarmless) {
  base::Rng rng(4, "bytes");
  for (int round = 0; round < 150; ++round) {
    SCOPED_TRACE(round);
    std::string damaged = intact_;
    const uint64_t changes = 1 + rng.Below(20);
    // Every other round in the first pages, where the schema is.
    const size_t range = round % 2 == 0 ? intact_.size() : 3 * 8192;
    for (uint64_t i = 0; i < changes; ++i) {
      damaged[rng.Below(range)] = static_cast<char>(rng.Below(256));
    }
    base::WriteFile(file_, damaged);
    try {
      ReadEverything(folder_.path());
    } catch (const base::Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.what();
    }
    Overwrite(folder_.path());
  }
}

TEST_F(DamageTest, ValuesThatAreNoRecordsAreBadInput) {
  const char* const changes[] = {
      "UPDATE examples SET kind = 9",
      "UPDATE examples SET activations = x'010203'",
      "UPDATE examples SET pivot = 4294967296",
      "UPDATE prunings SET outcome = -1",
      "UPDATE prompts SET importances = x'00000000'",
      "UPDATE graphs SET nodes = x'FFFFFFFF0F'",
      "UPDATE graphs SET nodes = x'0205'",
      "UPDATE graphs SET nodes = x'020000010000'",
      "UPDATE graph_summary SET token_set = x'0501'",
      "UPDATE manifest SET value = '{'",
      "UPDATE tokens SET id = id + 1000",
      "DELETE FROM graph_summary WHERE unit = 21",
  };
  for (const char* change : changes) {
    SCOPED_TRACE(change);
    base::WriteFile(file_, intact_);
    {
      Connection connection(file_, Connection::Access::kWrite);
      connection.Script(change);
    }
    EXPECT_TRUE(Fails(folder_.path()));
  }
}

}  // namespace
}  // namespace assay::store

// Several processes at one run: writers, readers, a writer that is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>
#include <thread>

#include "base/file.h"
#include "base/rng.h"
#include "store/graph_index.h"
#include "store/run_store.h"
#include "store/sqlite.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using testing::HasSubstr;
using Mode = RunStore::Mode;

// Runs `work` in a child process; its result is the exit status.
pid_t Fork(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int status = 99;
  try {
    status = work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
  }
  ::_exit(status);
}

int ExitStatus(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(RunStoreSharingTest, RefusesASecondWriter) {
  const TemporaryFolder folder;
  {
    const RunStore first = RunStore::Open(folder.path(), Mode::kWrite);
    const auto expect_refused = [&] {
      const base::Error error = ErrorOf([&] { RunStore::Open(folder.path(), Mode::kWrite); });
      EXPECT_EQ(error.kind(), ErrorKind::kIo);
      EXPECT_THAT(error.what(), HasSubstr("run is being written by another process"));
      EXPECT_THAT(error.what(), HasSubstr(folder.path().string()));
      return testing::Test::HasFailure() ? 1 : 0;
    };
    expect_refused();
    EXPECT_EQ(ExitStatus(Fork(expect_refused)), 0);
  }
  RunStore::Open(folder.path(), Mode::kWrite);
}

TEST(RunStoreSharingTest, AReaderSeesWholeTransactionsOfALiveWriter) {
  const TemporaryFolder folder;
  RunStore writer = RunStore::Open(folder.path(), Mode::kWrite);
  const RunStore reader = RunStore::Open(folder.path(), Mode::kRead);
  FillRun(writer, 3);
  EXPECT_EQ(reader.UnitsWithGraph().size(), 3u);
  writer.Transaction([&] {
    PutAll(writer, MakeRows(3));
    EXPECT_EQ(reader.UnitsWithGraph().size(), 3u);
    EXPECT_EQ(GraphIndex(reader).Search({}).size(), 3u);
    EXPECT_EQ(GraphIndex(writer).Search({}).size(), 4u);
  });
  EXPECT_EQ(reader.UnitsWithGraph().size(), 4u);
  EXPECT_EQ(ErrorOf([&] { RunStore::Open(folder.path(), Mode::kRead).PutManifest("a", 1); }).kind(),
            ErrorKind::kInternal);
}

// Each transaction i writes this many sequences and one graph, and then its number.
constexpr int kRowsPerTransaction = 20;

// Writes a byte to `ready` when the run is open.
void WriteForever(const fs::path& folder, int64_t next, int ready) {
  RunStore store = RunStore::Open(folder, Mode::kWrite);
  if (::write(ready, "!", 1) != 1) return;
  for (;; ++next) {
    store.Transaction([&] {
      for (int i = 0; i < kRowsPerTransaction; ++i) {
        store.Put(
            Sequence{next * kRowsPerTransaction + i, "text", 0, 0, std::vector<TokenId>(100, i)});
      }
      store.Put(MakeGraph({0, static_cast<int>(next % 100)}, {1, static_cast<TokenId>(next)}, {3}));
      store.PutManifest("last", next);
    });
  }
}

int64_t CheckWhole(const RunStore& store) {
  const auto last = store.Manifest("last");
  if (!last) {
    EXPECT_THROW(store.GetSequence(0), base::Error);
    return -1;
  }
  const auto number = last->get<int64_t>();
  const int64_t rows = (number + 1) * kRowsPerTransaction;
  for (int64_t id = 0; id < rows; ++id) EXPECT_EQ(store.GetSequence(id).tokens.size(), 100u);
  EXPECT_EQ(ErrorOf([&] { store.GetSequence(rows); }).kind(), ErrorKind::kNotFound);
  const auto graph = store.GetGraph({0, static_cast<int>(number % 100)});
  EXPECT_EQ(graph.value().nodes.at(4).token, number);
  EXPECT_EQ(static_cast<int64_t>(GraphIndex(store).Search({.limit = 1000}).size()),
            std::min<int64_t>(number + 1, 100));
  return number;
}

TEST(RunStoreSharingTest, AKilledWriterLeavesWholeTransactionsOnly) {
  const TemporaryFolder folder;
  base::Rng rng(11, "kill");
  int64_t last = -1;
  for (int round = 0; round < 25; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = Fork([&] {
      WriteForever(folder.path(), last + 1, ready[1]);
      return 0;
    });
    ::close(ready[1]);  // a child that fails early ends the wait
    char byte;
    // Some rounds strike anywhere, also while the run is made; the others while it is written.
    if (round % 5 != 0) {
      ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + rng.Below(40'000)));
    ::kill(child, SIGKILL);
    ::close(ready[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
    // A very early kill leaves no run at all.
    if (!fs::exists(folder.path() / "assay.db")) continue;
    const int64_t now = round % 2 == 0 ? CheckWhole(RunStore::Open(folder.path(), Mode::kRead))
                                       : CheckWhole(RunStore::Open(folder.path(), Mode::kWrite));
    EXPECT_GE(now, last);
    last = now;
    if (HasFailure()) return;
  }
  EXPECT_GT(last, 10);
}

// From here on this process cannot make files larger than 1 MB: writes fail as on a full disk.
void LimitFileSize() {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{1 << 20, 1 << 20};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

TEST(RunStoreSharingTest, AFullDiskIsAnErrorThatNamesTheFile) {
  const TemporaryFolder folder;
  const int status = ExitStatus(Fork([&] {
    RunStore store = RunStore::Open(folder.path(), Mode::kWrite);
    FillRun(store, 3);
    const std::string before = store.ContentHash();
    LimitFileSize();
    const base::Error error = ErrorOf([&] {
      store.Transaction([&] {
        for (int i = 0; i < 2000; ++i) {
          store.Put(Sequence{i, "text", 0, 0, std::vector<TokenId>(25'000, i)});
        }
      });
    });
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_THAT(error.what(), HasSubstr((folder.path() / "assay.db").string()));
    EXPECT_EQ(store.ContentHash(), before);
    return testing::Test::HasFailure() ? 1 : 0;
  }));
  EXPECT_EQ(status, 0);
  EXPECT_EQ(RunStore::Open(folder.path(), Mode::kRead).UnitsWithGraph().size(), 3u);
}

TEST(RunStoreSharingTest, SqliteFullIsAnIoError) {
  const TemporaryFolder folder;
  Connection connection(folder.path() / "full.db", Connection::Access::kCreate);
  connection.Script("PRAGMA max_page_count = 10; CREATE TABLE t (x BLOB)");
  const base::Error error =
      ErrorOf([&] { connection.Run("INSERT INTO t VALUES (zeroblob(1000000))"); });
  EXPECT_EQ(error.kind(), ErrorKind::kIo);
  EXPECT_THAT(error.what(), HasSubstr("full.db"));
  EXPECT_THAT(error.what(), HasSubstr("disk is full"));
}

TEST(RunStoreSharingTest, ATransactionUndoneByAFailureTakesNoMoreRows) {
  const TemporaryFolder folder;
  const int status = ExitStatus(Fork([&] {
    RunStore store = RunStore::Open(folder.path(), Mode::kWrite);
    LimitFileSize();
    const base::Error error = ErrorOf([&] {
      store.Transaction([&] {
        store.PutManifest("before", 1);
        for (int i = 0; i < 2000; ++i) {
          try {
            store.Put(Sequence{i, "text", 0, 0, std::vector<TokenId>(25'000, i)});
          } catch (const base::Error&) {
            break;  // a caller that goes on regardless
          }
        }
        store.PutManifest("after", 1);
      });
    });
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_EQ(store.WholeManifest(), nlohmann::json::object());
    return testing::Test::HasFailure() ? 1 : 0;
  }));
  EXPECT_EQ(status, 0);
}

// Acts as a user without rights for a while; the tests may run as root, whom permissions do not
// stop.
class AsNobody {
 public:
  AsNobody() { changed_ = ::geteuid() == 0 && ::seteuid(65534) == 0; }
  ~AsNobody() {
    if (changed_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }

 private:
  bool changed_ = false;
};

class ReadOnlyFolderTest : public testing::Test {
 protected:
  ReadOnlyFolderTest() {
    fs::permissions(folder_.path(), fs::perms(0755));
    RunStore store = RunStore::Open(run_, Mode::kWrite);
    FillRun(store, 4);
    hash_ = store.ContentHash();
  }
  ~ReadOnlyFolderTest() override { fs::permissions(run_, fs::perms(0755)); }

  void MakeReadOnly() {
    for (const auto& entry : fs::directory_iterator(run_)) {
      fs::permissions(entry.path(), fs::perms(0444));
    }
    fs::permissions(run_, fs::perms(0555));
  }

  TemporaryFolder folder_;
  fs::path run_ = folder_.path() / "odd ?#%41 name";
  std::string hash_;
};

TEST_F(ReadOnlyFolderTest, CanBeRead) {
  MakeReadOnly();
  const AsNobody nobody;
  EXPECT_EQ(RunStore::Open(run_, Mode::kRead).ContentHash(), hash_);
  EXPECT_EQ(ErrorOf([&] { RunStore::Open(run_, Mode::kWrite); }).kind(), ErrorKind::kIo);
  EXPECT_EQ(ErrorOf([&] { RunStore::Open(run_ / "new", Mode::kWrite); }).kind(), ErrorKind::kIo);
}

TEST_F(ReadOnlyFolderTest, IsRefusedWhileChangesAreInTheWal) {
  ExitStatus(Fork([&]() -> int {
    RunStore store = RunStore::Open(run_, Mode::kWrite);
    store.PutManifest("later", 1);
    ::kill(::getpid(), SIGKILL);
    return 0;
  }));
  ASSERT_GT(fs::file_size(run_ / "assay.db-wal"), 0u);
  fs::remove(run_ / "assay.db-shm");
  MakeReadOnly();
  const AsNobody nobody;
  const base::Error error = ErrorOf([&] { RunStore::Open(run_, Mode::kRead); });
  EXPECT_EQ(error.kind(), ErrorKind::kIo);
  EXPECT_THAT(error.what(), HasSubstr("assay.db-wal"));
}

}  // namespace
}  // namespace assay::store

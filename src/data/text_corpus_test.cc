#include "data/text_corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/base_testing.h"
#include "data/line_reader.h"

namespace assay::data {
namespace {

namespace fs = std::filesystem;
using base::TemporaryFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Texts(TextCorpus& corpus) {
  std::vector<std::string> texts;
  while (const auto document = corpus.Next()) texts.push_back(document->text);
  return texts;
}

std::vector<std::string> TextsOf(const std::vector<fs::path>& inputs,
                                 const TextCorpusOptions& options = {}) {
  TextCorpus corpus(inputs, options);
  return Texts(corpus);
}

base::ErrorKind KindOf(const std::function<void()>& action) { return base::ErrorOf(action).kind(); }

TEST(TextCorpusTest, SplitsTextFilesAtBlankLines) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.txt", "\n\none\ntwo\n \t\n\nthree\r\nfour\r\n\r\nfive");
  EXPECT_THAT(TextsOf({file}), ElementsAre("one\ntwo", "three\nfour", "five"));
}

TEST(TextCorpusTest, TakesWholeTextFilesWhenAsked) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.txt", "\none\n\ntwo\n\n\n");
  TextCorpusOptions options;
  options.txt_documents = "file";
  EXPECT_THAT(TextsOf({file}, options), ElementsAre("one\n\ntwo"));
}

TEST(TextCorpusTest, ReadsTheTextFieldOfJsonLines) {
  const TemporaryFolder folder;
  const auto file = folder.Write(
      "a.jsonl", "{\"id\": 3, \"text\": \"one\\n\\ntwo\"}\n\n{\"text\":\"\\u00e9\"}\r\n");
  TextCorpus corpus({file}, {});
  EXPECT_THAT(Texts(corpus), ElementsAre("one\n\ntwo", "é"));
  EXPECT_EQ(corpus.counts().problems, 0);
  EXPECT_EQ(corpus.counts().text_bytes, 10);
}

TEST(TextCorpusTest, SkipsAByteOrderMark) {
  const TemporaryFolder folder;
  const auto text = folder.Write("a.txt", "\xEF\xBB\xBFone");
  const auto json = folder.Write("b.jsonl", "\xEF\xBB\xBF{\"text\": \"two\"}");
  EXPECT_THAT(TextsOf({text, json}), ElementsAre("one", "two"));
}

TEST(TextCorpusTest, WalksFoldersInPathOrderAndSaysWhereADocumentIs) {
  const TemporaryFolder folder;
  folder.Write("b.txt", "b0\n\nb1");
  folder.Write("a/z.jsonl", "{\"text\": \"z0\"}\n{}\n{\"text\": \"z2\"}");
  folder.Write("a/notes.md", "not read");
  TextCorpus corpus({folder.path()}, {});
  ASSERT_THAT(corpus.files(), ElementsAre(folder.path() / "a/z.jsonl", folder.path() / "b.txt"));
  std::vector<std::tuple<std::string, size_t, int64_t, int64_t>> seen;
  while (const auto d = corpus.Next()) seen.emplace_back(d->text, d->file, d->index, d->line);
  EXPECT_THAT(seen, ElementsAre(std::tuple("z0", 0, 0, 1), std::tuple("z2", 0, 2, 3),
                                std::tuple("b0", 1, 0, 1), std::tuple("b1", 1, 1, 3)));
}

TEST(TextCorpusTest, ReportsWhatItCannotUseAndGoesOn) {
  const TemporaryFolder folder;
  const std::vector<fs::path> inputs = {
      folder.Write("latin1.txt", "fine\n\ncaf\xE9\n"),
      folder.Write("empty.txt", ""),
      folder.Write("blank.txt", " \n\n\t\n"),
      folder.Write("empty.jsonl", ""),
      folder.Write(
          "bad.jsonl",
          "{\"text\": \"caf\xE9\"}\n{\"text\": 7}\n[1]\n{\"text\": \"cut\n{\"body\": \"x\"}\n"
          "{\"text\": \"  \"}\n{\"text\": \"\\ud800\"}\n{\"text\": \"good\"}\n"),
  };
  std::vector<std::string> reports;
  TextCorpus corpus(inputs, {}, [&](const CorpusProblem& problem) {
    reports.push_back(fmt::format("{}:{}: {}", problem.file.filename().string(), problem.line,
                                  ProblemKindName(problem.kind)));
  });
  EXPECT_THAT(Texts(corpus), ElementsAre("good"));
  EXPECT_THAT(
      reports,
      ElementsAre("latin1.txt:3: not UTF-8", "empty.txt:0: empty", "blank.txt:0: empty",
                  "empty.jsonl:0: empty", "bad.jsonl:1: not UTF-8", "bad.jsonl:2: malformed",
                  "bad.jsonl:3: malformed", "bad.jsonl:4: malformed", "bad.jsonl:5: malformed",
                  "bad.jsonl:6: empty", "bad.jsonl:7: malformed"));
  EXPECT_EQ(corpus.problems().size(), reports.size());
  EXPECT_EQ(corpus.counts().problems, static_cast<int64_t>(reports.size()));
  EXPECT_THAT(ToString(corpus.problems()[5]),
              HasSubstr("bad.jsonl:2: malformed: `text` is a number"));
}

TEST(TextCorpusTest, AFileThatGoesAwayIsReported) {
  const TemporaryFolder folder;
  const auto gone = folder.Write("a.txt", "one"), kept = folder.Write("b.txt", "two");
  TextCorpus corpus({gone, kept}, {});
  fs::remove(gone);
  EXPECT_THAT(Texts(corpus), ElementsAre("two"));
  ASSERT_EQ(corpus.problems().size(), 1u);
  EXPECT_EQ(corpus.problems()[0].kind, ProblemKind::kUnreadable);
}

TEST(TextCorpusTest, FailsWhenNothingIsUsable) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.jsonl", "nothing\n");
  TextCorpus corpus({file}, {});
  const base::Error error = base::ErrorOf([&] { corpus.Next(); });
  EXPECT_EQ(error.kind(), base::ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), HasSubstr("a.jsonl:1: malformed"));
}

TEST(TextCorpusTest, RefusesInputsItCannotRead) {
  const TemporaryFolder folder;
  const auto other = folder.Write("x/a.csv", "a,b");
  EXPECT_EQ(KindOf([&] { TextCorpus({folder.path() / "none.txt"}, {}); }),
            base::ErrorKind::kNotFound);
  EXPECT_EQ(KindOf([&] { TextCorpus({other}, {}); }), base::ErrorKind::kBadInput);
  EXPECT_EQ(KindOf([&] { TextCorpus({folder.path() / "x"}, {}); }), base::ErrorKind::kBadInput);
  EXPECT_EQ(KindOf([&] { TextCorpus({}, {}); }), base::ErrorKind::kUsage);
  TextCorpusOptions options;
  options.txt_documents = "pages";
  EXPECT_EQ(KindOf([&] { TextCorpus({folder.path()}, options); }), base::ErrorKind::kUsage);
}

TEST(TextCorpusTest, DropsDuplicatesOverAllFiles) {
  const TemporaryFolder folder;
  const std::vector<fs::path> inputs = {
      folder.Write("a.txt", "one\n\ntwo\n\none"),
      folder.Write("b.jsonl", "{\"text\": \"two\"}\n{\"text\": \"three\"}")};
  TextCorpus corpus(inputs, {});
  EXPECT_THAT(Texts(corpus), ElementsAre("one", "two", "three"));
  EXPECT_EQ(corpus.counts().duplicates, 2);
  TextCorpusOptions keep;
  keep.drop_duplicates = false;
  EXPECT_THAT(TextsOf(inputs, keep), ElementsAre("one", "two", "one", "two", "three"));
}

TEST(TextCorpusTest, CutsLongDocumentsAtACharacterAndReportsThem) {
  const TemporaryFolder folder;
  const std::string long_line = "0123456789abcdé tail";  // é takes bytes 14 and 15, counted from 0
  const std::vector<fs::path> inputs = {
      folder.Write("line.txt", long_line + "\nmore\n\nshort"),
      folder.Write("lines.txt", "0123456789\n0123456789\n0123456789\n"),
      folder.Write("a.jsonl", "{\"text\": \"x" + long_line + "\"}\n"),
  };
  TextCorpusOptions options;
  options.max_document_bytes = 16;
  TextCorpus corpus(inputs, options);
  EXPECT_THAT(Texts(corpus),
              ElementsAre("0123456789abcdé", "short", "0123456789\n01234", "x0123456789abcd"));
  ASSERT_EQ(corpus.problems().size(), 3u);
  for (const auto& problem : corpus.problems()) EXPECT_EQ(problem.kind, ProblemKind::kTooLong);
}

TEST(TextCorpusTest, LeavesOutJsonLinesFarOverTheLimit) {
  const TemporaryFolder folder;
  const auto file = folder.Write(
      "a.jsonl", "{\"text\": \"" + std::string(2 << 20, 'x') + "\"}\n{\"text\": \"good\"}");
  TextCorpusOptions options;
  options.max_document_bytes = 100;
  TextCorpus corpus({file}, options);
  EXPECT_THAT(Texts(corpus), ElementsAre("good"));
  EXPECT_EQ(corpus.problems().at(0).kind, ProblemKind::kTooLong);
}

TEST(TextCorpusTest, ContentHashDependsOnContentAlone) {
  const TemporaryFolder folder;
  const auto hash = [](const fs::path& path) { return TextCorpus({path}, {}).ContentHash(); };
  folder.Write("a/x.txt", "one");
  folder.Write("b/y.txt", "one");
  EXPECT_EQ(hash(folder.path() / "a"), hash(folder.path() / "b"));
  EXPECT_EQ(hash(folder.path() / "a").size(), 32u);
  const std::string before = hash(folder.path() / "b");
  folder.Write("b/y.txt", "two");
  EXPECT_NE(hash(folder.path() / "b"), before);
}

TEST(LineReaderTest, JoinsLinesOverBufferBoundaries) {
  const TemporaryFolder folder;
  std::string text;
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    expected.push_back(std::string(static_cast<size_t>(i * 7), static_cast<char>('a' + i % 26)));
    text += expected.back() + (i % 2 ? "\r\n" : "\n");
  }
  LineReader reader(folder.Write("a.txt", text));
  LineReader::Line line;
  for (const auto& want : expected) {
    ASSERT_TRUE(reader.Next(line, 1 << 20));
    EXPECT_EQ(line.text, want);
    EXPECT_FALSE(line.cut_short);
  }
  EXPECT_FALSE(reader.Next(line, 1 << 20));
  EXPECT_EQ(line.number, 300);
}

TEST(TextCorpusTest, ReadsTheSharedTexts) {
  const fs::path shared = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/text";
  if (!fs::exists(shared)) GTEST_SKIP() << "no shared data at " << shared;
  TextCorpus json({shared / "tinystories_700.jsonl", shared / "wikitext_shared.jsonl"}, {});
  EXPECT_EQ(Texts(json).size() + static_cast<size_t>(json.counts().duplicates), 1501u);
  EXPECT_THAT(json.problems(), IsEmpty());

  TextCorpusOptions whole;
  whole.txt_documents = "file";
  TextCorpus speeches({shared / "inaugural", shared / "state_union"}, whole);
  EXPECT_EQ(Texts(speeches).size(), 124u);
  EXPECT_THAT(speeches.problems(), IsEmpty());

  TextCorpus all({shared}, {});
  EXPECT_EQ(Texts(all).size(), 3570u);
  EXPECT_THAT(all.problems(), IsEmpty());
}

}  // namespace
}  // namespace assay::data

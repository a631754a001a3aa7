#include "serve/pair_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/file.h"

namespace assay::serve {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

constexpr int kMostPairs = 9999;

fs::path PictureFile(const fs::path& folder, int pair, int side) {
  return folder / "pairs" / fmt::format("{:04}-{}.png", pair, side);
}

// "study-" and eight hexadecimal digits, as study.html says it first.
std::string NameIn(const std::string& page, const fs::path& path) {
  constexpr std::string_view kBegin = "study-";
  constexpr size_t kDigits = 8;
  for (size_t at = page.find(kBegin); at != std::string::npos; at = page.find(kBegin, at + 1)) {
    const std::string name = page.substr(at, kBegin.size() + kDigits);
    if (name.size() == kBegin.size() + kDigits &&
        name.find_first_not_of("0123456789abcdef", kBegin.size()) == std::string::npos) {
      return name;
    }
  }
  Fail(ErrorKind::kBadInput, "{}: does not name its study", path.string());
}

}  // namespace

bool PairStudy::exists() const {
  std::error_code failed;
  return fs::exists(folder_ / "study.html", failed) &&
         fs::exists(PictureFile(folder_, 1, 1), failed);
}

PairStudy::Facts PairStudy::Read() const {
  const fs::path page = folder_ / "study.html";
  return *kept_.Get([&] { return StampOf(page); },
                    [&] {
                      Facts facts{.name = NameIn(base::ReadFile(page), page)};
                      std::error_code failed;
                      while (facts.pairs < kMostPairs &&
                             fs::exists(PictureFile(folder_, facts.pairs + 1, 2), failed)) {
                        ++facts.pairs;
                      }
                      return facts;
                    });
}

std::string PairStudy::Picture(int pair, int side) const {
  if (pair < 1 || pair > Read().pairs || side < 1 || side > 2)
    Fail(ErrorKind::kNotFound, "there is no picture {} of a pair {}", side, pair);
  return base::ReadFile(PictureFile(folder_, pair, side));
}

fs::path PairStudy::FileOf(const std::string& session) const {
  const bool plain =
      session.size() >= 8 && session.size() <= 40 &&
      std::all_of(session.begin(), session.end(), [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
      });
  if (!plain)
    Fail(ErrorKind::kUsage, "session is '{}'; expected 8 to 40 letters and digits", session);
  return folder_ / "answers" / fmt::format("{}-{}.csv", Read().name, session);
}

std::vector<int> PairStudy::Answered(const std::string& session) const {
  const fs::path path = FileOf(session);
  std::ifstream file(path);
  std::vector<int> out;
  for (std::string line; std::getline(file, line);) {
    const size_t comma = line.find(',');
    if (line.starts_with("study,") || comma == std::string::npos) continue;
    out.push_back(std::atoi(line.c_str() + comma + 1));
  }
  return out;
}

void PairStudy::Keep(const std::string& session, const Answer& answer) {
  const Facts facts = Read();
  if (answer.pair < 1 || answer.pair > facts.pairs)
    Fail(ErrorKind::kUsage, "pair is {}; expected 1 to {}", answer.pair, facts.pairs);
  if (answer.choice != 1 && answer.choice != 2)
    Fail(ErrorKind::kUsage, "choice is {}; expected 1 or 2", answer.choice);
  const bool writable =
      std::all_of(answer.person.begin(), answer.person.end(),
                  [](unsigned char c) { return c >= 0x20 && c != 0x7f && c != ',' && c != '"'; });
  if (!writable) Fail(ErrorKind::kUsage, "person has a comma, a quote or a control character");
  const fs::path path = FileOf(session);
  const std::lock_guard lock(mutex_);
  const std::vector<int> answered = Answered(session);
  if (std::find(answered.begin(), answered.end(), answer.pair) != answered.end())
    Fail(ErrorKind::kUsage, "pair {} was answered before", answer.pair);
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  const bool begins = !fs::exists(path, failed);
  std::ofstream file(path, std::ios::app);
  if (begins) file << "study,trial,choice,milliseconds,person\n";
  file << fmt::format("{},{},{},{},{}\n", facts.name, answer.pair, answer.choice,
                      answer.milliseconds, answer.person)
       << std::flush;
  if (!file) Fail(ErrorKind::kIo, "{}: the answer could not be saved", path.string());
}

}  // namespace assay::serve

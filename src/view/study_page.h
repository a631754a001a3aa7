// The page of a two-alternative forced-choice study: one pair of pictures at a time, answered by
// key or click; the answers are handed over as a CSV file. It knows nothing of which picture was
// altered. Thread-safe: a pure function.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace assay::view {

struct StudyPage {
  std::string name;  // of the study; in the answers, so that they meet the right key
  std::string question = "Which picture was altered?";
  std::vector<std::pair<std::string, std::string>> pairs;  // PNG bytes: left, right
  int side_px = 360;                                       // size at which pictures are shown
};

// Answers: CSV with the header study,trial,choice,milliseconds,person; trial from 1; choice 1
// (left) or 2 (right).
std::string WriteStudyPage(const StudyPage& page);

}  // namespace assay::view

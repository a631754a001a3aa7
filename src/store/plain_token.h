// How a token is compared when case and surrounding white space do not matter: " Paris", "Paris"
// and "paris" are the same. Thread-safe (pure function).
#pragma once

#include <string>
#include <string_view>

namespace assay::store {

// White space on both sides removed and letters lower-cased one by one (ASCII, Latin-1, Latin
// Extended-A, Greek, Cyrillic; no rule that depends on the language or changes the number of
// letters). A token of white space alone stays as it is. Bytes that are not UTF-8 are left alone.
std::string PlainToken(std::string_view text);

}  // namespace assay::store

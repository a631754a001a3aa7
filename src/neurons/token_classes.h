// Which tokens a graph treats as the same. Normally every token is its own class; with token
// normalisation, tokens that differ only in case and surrounding space share one. Immutable;
// thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace assay::neurons {

using TokenId = int32_t;

class TokenClasses {
 public:
  TokenClasses() = default;  // every token is its own class
  // By text: as the reference code does, surrounding space goes when the token has a letter, and a
  // Title-case token becomes lower case. texts[id] is how token id reads.
  static TokenClasses Normalized(std::span<const std::string> texts);

  // The token that stands for the class: the smallest id in it.
  TokenId Of(TokenId token) const {
    return static_cast<size_t>(token) < representative_.size()
               ? representative_[static_cast<size_t>(token)]
               : token;
  }

 private:
  std::vector<TokenId> representative_;
};

}  // namespace assay::neurons

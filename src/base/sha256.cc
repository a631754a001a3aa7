#include "base/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/error.h"
#include "base/file.h"

namespace assay::base {

std::string Sha256OfText(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  size_t size = 0;
  ASSAY_CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, bytes.data(), bytes.size(), digest.data(),
                           &size) == 1);
  ASSAY_CHECK(size == digest.size());
  std::string out;
  for (const unsigned char byte : digest) out += fmt::format("{:02x}", byte);
  return out;
}

std::string Sha256OfFile(const std::filesystem::path& path) { return Sha256OfText(ReadFile(path)); }

}  // namespace assay::base

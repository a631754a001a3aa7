#include "base/sha256.h"

#include <gtest/gtest.h>

#include "base/base_testing.h"
#include "base/file.h"

namespace assay::base {
namespace {

// The examples of FIPS 180-4 and of NIST's test vectors.
TEST(Sha256Test, IsThatOfTheStandard) {
  EXPECT_EQ(Sha256OfText(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256OfText("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256OfText("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256OfText(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, OfAFile) {
  const TemporaryFolder folder;
  WriteFile(folder.path() / "f", "abc");
  EXPECT_EQ(Sha256OfFile(folder.path() / "f"), Sha256OfText("abc"));
}

}  // namespace
}  // namespace assay::base

#include "model/safetensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using testing::AllOf;
using testing::HasSubstr;

std::string WithLength(uint64_t length, const std::string& rest) {
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + rest;
}

// The file with this header and data.
std::string File(const std::string& header, const std::string& data = "") {
  return WithLength(header.size(), header + data);
}

std::string MessageFor(const std::string& bytes) {
  const base::Error error = ErrorOf([&] { SafetensorsFile::FromBytes(bytes, "some.safetensors"); });
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), HasSubstr("some.safetensors"));
  return error.what();
}

// The message for a file of 8 bytes of data whose one tensor 'w' is described by `entry`.
std::string MessageForTensor(const std::string& entry) {
  const std::string message = MessageFor(File(R"({"w":)" + entry + "}", "12345678"));
  EXPECT_THAT(message, HasSubstr("'w'"));
  return message;
}

TEST(SafetensorsTest, WrittenTensorsComeBackBitForBit) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "t.safetensors";
  at::manual_seed(1);
  std::map<std::string, at::Tensor> tensors;
  tensors["a.float"] = at::randn({2, 3, 4});
  tensors["b.half"] = at::randn({5}).to(at::kHalf);
  tensors["c.bfloat16"] = at::randn({7, 1}).to(at::kBFloat16);
  tensors["d.double"] = at::randn({2}, at::kDouble);
  tensors["e.long"] = at::arange(-3, 4, at::kLong);
  tensors["f.bool"] = at::arange(3).remainder(2).to(at::kBool);
  tensors["g.byte"] = at::arange(250, 256).to(at::kByte);
  tensors["h.scalar"] = at::scalar_tensor(1.5);
  tensors["i.empty"] = at::empty({0, 4});
  tensors["j.transposed"] = at::randn({4, 6}).t();
  tensors["k.short"] = at::arange(3).to(at::kShort);
  tensors["l.int"] = at::arange(3).to(at::kInt);
  WriteSafetensors(path, tensors, {{"format", "pt"}, {"note", "\"quoted\" \xC3\xA9"}});
  const auto file = SafetensorsFile::Open(path);
  EXPECT_EQ(file.metadata().at("note"), "\"quoted\" \xC3\xA9");
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor read = file.Read(name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read, tensor)) << name;
    EXPECT_EQ(file.tensors().at(name).begin % c10::elementSize(tensor.scalar_type()), 0)
        << name << ": readers that map the file want aligned values";
  }
}

TEST(SafetensorsTest, HalfTypesRoundToTheNearestAndBack) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "t.safetensors";
  const float infinity = std::numeric_limits<float>::infinity();
  const at::Tensor exact = at::tensor({0.0F, -0.0F, 1.0F, -2.5F, 0.25F, infinity, -infinity});
  const at::Tensor rough = at::tensor({0.1F, 3.14159F, -1234.567F, 1e-4F});
  WriteSafetensors(path, {{"half", exact.to(at::kHalf)},
                          {"bfloat16", exact.to(at::kBFloat16)},
                          {"rough.half", rough.to(at::kHalf)},
                          {"rough.bfloat16", rough.to(at::kBFloat16)}});
  const auto file = SafetensorsFile::Open(path);
  EXPECT_TRUE(at::equal(file.Read("half").to(at::kFloat), exact));
  EXPECT_TRUE(at::equal(file.Read("bfloat16").to(at::kFloat), exact));
  const auto relative = [&](const char* name) {
    return ((file.Read(name).to(at::kFloat) - rough) / rough).abs().max().item<double>();
  };
  EXPECT_LE(relative("rough.half"), std::ldexp(1, -11));
  EXPECT_LE(relative("rough.bfloat16"), std::ldexp(1, -8));
}

TEST(SafetensorsTest, AFileCutShortAnywhereIsRefused) {
  const std::string whole =
      File(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "12345678");
  EXPECT_EQ(SafetensorsFile::FromBytes(whole, "f").tensors().size(), 1);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string message = MessageFor(whole.substr(0, size));
    if (size < 8) {
      EXPECT_THAT(message, AllOf(HasSubstr(std::to_string(size)), HasSubstr("8 bytes")));
    } else if (size < whole.size() - 8) {
      EXPECT_THAT(message,
                  AllOf(HasSubstr("claims 54 bytes"), HasSubstr(std::to_string(size - 8))));
    } else {
      EXPECT_THAT(message, AllOf(HasSubstr("'w'"), HasSubstr("[0, 8)"), HasSubstr("cut short")));
    }
  }
}

TEST(SafetensorsTest, AFileOnDiskCutShortIsRefused) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "t.safetensors";
  WriteSafetensors(path, {{"w", at::randn({100})}});
  std::filesystem::resize_file(path, 300);
  const base::Error error = ErrorOf([&] { SafetensorsFile::Open(path); });
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(path.string()), HasSubstr("'w'"), HasSubstr("400")));
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(ErrorOf([&] { SafetensorsFile::Open(path); }).kind(), ErrorKind::kBadInput);
}

TEST(SafetensorsTest, HeaderLengthsThatLieAreRefusedBeforeAnythingIsRead) {
  for (const uint64_t length : {uint64_t{3}, uint64_t{100'000'001}, uint64_t{1} << 31,
                                uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    EXPECT_THAT(MessageFor(WithLength(length, "{}")), HasSubstr(std::to_string(length)));
  }
  EXPECT_THAT(MessageFor(WithLength(0, "")), HasSubstr("JSON"));
  EXPECT_THAT(MessageFor(WithLength(1, "{}")), HasSubstr("JSON"));
}

TEST(SafetensorsTest, HeadersThatAreNoTensorListAreRefused) {
  for (const std::string header :
       {"nonsense", "{", "[]", "12", "\"text\"", "{\"a\":\xFF}", "{}x"}) {
    MessageFor(File(header));
  }
  EXPECT_THAT(MessageFor(File(R"({"__metadata__":[1]})")), HasSubstr("__metadata__"));
  const std::string deep = R"({"w":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_THAT(MessageFor(File(deep)), HasSubstr("nesting"));
  EXPECT_TRUE(SafetensorsFile::FromBytes(File("{}"), "f").tensors().empty());
  EXPECT_TRUE(SafetensorsFile::FromBytes(File("{}      "), "f").tensors().empty()) << "padding";
}

TEST(SafetensorsTest, OffsetsThatLieAreRefused) {
  const auto with_offsets = [](const std::string& offsets) {
    return MessageForTensor(R"({"dtype":"F32","shape":[2],"data_offsets":)" + offsets + "}");
  };
  EXPECT_THAT(with_offsets("[0,12]"), AllOf(HasSubstr("[0, 12)"), HasSubstr("holds 8 bytes")));
  EXPECT_THAT(with_offsets("[4,12]"), HasSubstr("[4, 12)"));
  EXPECT_THAT(with_offsets("[8,0]"), HasSubstr("[8, 0)"));
  EXPECT_THAT(with_offsets("[0,4]"), AllOf(HasSubstr("span 4 bytes"), HasSubstr("needs 8")));
  EXPECT_THAT(with_offsets("[-4,4]"), HasSubstr("[-4,4]"));
  EXPECT_THAT(with_offsets("[0.0,8.0]"), HasSubstr("[0.0,8.0]"));
  EXPECT_THAT(with_offsets("[0]"), HasSubstr("[0]"));
  EXPECT_THAT(with_offsets("[0,8,8]"), HasSubstr("[0,8,8]"));
  EXPECT_THAT(with_offsets("\"0,8\""), HasSubstr("0,8"));
  EXPECT_THAT(with_offsets("[18446744073709551612,4]"), HasSubstr("18446744073709551612"));
  EXPECT_THAT(with_offsets("[0,99999999999999999999]"), HasSubstr("pair"));
}

TEST(SafetensorsTest, ShapesThatLieAreRefused) {
  const auto with_shape = [](const std::string& shape) {
    return MessageForTensor(R"({"dtype":"F32","data_offsets":[0,8],"shape":)" + shape + "}");
  };
  EXPECT_THAT(with_shape("[3]"), AllOf(HasSubstr("span 8 bytes"), HasSubstr("needs 12")));
  EXPECT_THAT(with_shape("[2,0]"), HasSubstr("needs 0"));
  EXPECT_THAT(with_shape("[-2]"), HasSubstr("-2"));
  EXPECT_THAT(with_shape("[2.0]"), HasSubstr("2.0"));
  EXPECT_THAT(with_shape("2"), HasSubstr("list"));
  EXPECT_THAT(with_shape("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]"), HasSubstr("16"));
  // 2^32 * 2^32 * 4 is 0 in 64 bits; 2^62 + 2 elements would be 8 bytes.
  EXPECT_THAT(with_shape("[4294967296,4294967296]"), HasSubstr("overflows"));
  EXPECT_THAT(with_shape("[4611686018427387906]"), HasSubstr("4611686018427387906"));
}

TEST(SafetensorsTest, TypesThatAreUnknownOrMissingAreRefused) {
  for (const std::string type : {"\"F8_E4M3\"", "\"f32\"", "\"\"", "32", "null", "[\"F32\"]"}) {
    EXPECT_THAT(MessageForTensor(R"({"dtype":)" + type + R"(,"shape":[2],"data_offsets":[0,8]})"),
                AllOf(HasSubstr("dtype"), HasSubstr(type)));
  }
  MessageForTensor(R"({"shape":[2],"data_offsets":[0,8]})");
  MessageForTensor(R"({"dtype":"F32","data_offsets":[0,8]})");
  MessageForTensor(R"({"dtype":"F32","shape":[2]})");
  MessageForTensor("[]");
  MessageForTensor("null");
}

TEST(SafetensorsTest, TensorsMayShareBytes) {
  const auto file =
      SafetensorsFile::FromBytes(File(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},)"
                                      R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                                      std::string("\1\2\3\4\5\6\7\10", 8)),
                                 "f");
  EXPECT_EQ(file.Read("a")[5].item<int>(), 6);
  EXPECT_EQ(file.Read("b")[0].item<int>(), 5);
}

TEST(SafetensorsTest, UnalignedValuesAreRead) {
  const float value = 1.25F;
  std::string data = "x" + std::string(4, '\0');
  std::memcpy(data.data() + 1, &value, 4);
  const auto file = SafetensorsFile::FromBytes(
      File(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[1,5]}})", data), "f");
  EXPECT_EQ(file.Read("w").item<float>(), value);
}

TEST(SafetensorsTest, AMissingTensorIsNamed) {
  const auto file = SafetensorsFile::FromBytes(File("{}"), "some.safetensors");
  const base::Error error = ErrorOf([&] { file.Read("h.0.ln_1.weight"); });
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("some.safetensors"), HasSubstr("'h.0.ln_1.weight'")));
}

TEST(SafetensorsTest, FilesThatCannotBeOpenedAreNamed) {
  const TemporaryFolder folder;
  for (const auto& path : {folder.path() / "absent.safetensors", folder.path()}) {
    const base::Error error = ErrorOf([&] { SafetensorsFile::Open(path); });
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr(path.string()));
  }
}

TEST(SafetensorsTest, TypesThatTheFormatLacksAreNotWritten) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "t.safetensors";
  const base::Error error = ErrorOf([&] {
    WriteSafetensors(path, {{"w", at::zeros({2}, at::kComplexFloat)}});
  });
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(path.string()), HasSubstr("'w'")));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(SafetensorsTest, AnOpenedFileOutlivesItsPathAndItsCopies) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "t.safetensors";
  WriteSafetensors(path, {{"w", at::arange(4)}});
  std::optional<SafetensorsFile> file = SafetensorsFile::Open(path);
  const SafetensorsFile copy = *file;
  file.reset();
  std::filesystem::remove(path);
  EXPECT_TRUE(at::equal(copy.Read("w"), at::arange(4)));
}

}  // namespace
}  // namespace assay::model

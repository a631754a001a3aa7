// Model folders whose weights are split over several files.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using testing::AllOf;
using testing::HasSubstr;

class ShardedWeightsTest : public testing::Test {
 protected:
  ShardedWeightsTest() : config_(TinyConfig("gpt2")), weights_(RandomWeights(config_, 2)) {
    std::map<std::string, at::Tensor> shards[2];
    size_t count = 0;
    for (const auto& [name, tensor] : ExportTransformerWeights(weights_, config_)) {
      const size_t shard = count++ % 2;
      shards[shard][name] = tensor;
      map_[name] = kFiles[shard];
    }
    for (size_t i = 0; i < 2; ++i) WriteSafetensors(folder_.path() / kFiles[i], shards[i]);
  }

  TransformerWeights Load() {
    base::WriteFile(
        index(), nlohmann::json({{"metadata", {{"total_size", 1}}}, {"weight_map", map_}}).dump());
    return LoadTransformerWeights(folder_.path(), config_);
  }
  base::Error ErrorOfIndex(const std::string& text) {
    base::WriteFile(index(), text);
    return ErrorOf([&] { LoadTransformerWeights(folder_.path(), config_); });
  }
  std::filesystem::path index() const { return folder_.path() / "model.safetensors.index.json"; }

  static constexpr const char* kFiles[2] = {"model-00001-of-00002.safetensors",
                                            "model-00002-of-00002.safetensors"};
  TemporaryFolder folder_;
  TransformerConfig config_;
  TransformerWeights weights_;
  std::map<std::string, std::string> map_;
};

TEST_F(ShardedWeightsTest, AreReadAsOneModel) {
  TransformerWeights read = Load();
  const auto expected = NamedTensors(weights_), found = NamedTensors(read);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(at::equal(*found[i].second, *expected[i].second)) << found[i].first;
  }
}

TEST_F(ShardedWeightsTest, AMissingShardIsNamed) {
  std::filesystem::remove(folder_.path() / kFiles[1]);
  const base::Error error = ErrorOf([&] { Load(); });
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr((folder_.path() / kFiles[1]).string()));
}

TEST_F(ShardedWeightsTest, AShardCutShortIsNamed) {
  const auto shard = folder_.path() / kFiles[1];
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) - 4);
  const base::Error error = ErrorOf([&] { Load(); });
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), HasSubstr(shard.string()));
}

TEST_F(ShardedWeightsTest, AnIndexThatLiesAboutATensorIsRefused) {
  map_["transformer.h.9.ln_1.weight"] = kFiles[0];
  const base::Error error = ErrorOf([&] { Load(); });
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(kFiles[0]), HasSubstr("'transformer.h.9.ln_1.weight'"),
                                  HasSubstr(index().string())));
}

TEST_F(ShardedWeightsTest, ATensorThatTheIndexLeavesOutIsFoundInItsShard) {
  map_.erase("transformer.ln_f.weight");
  EXPECT_TRUE(at::equal(Load().final_norm.gain, weights_.final_norm.gain));
}

TEST_F(ShardedWeightsTest, AnIndexMayNameFilesOfItsOwnFolderOnly) {
  for (const std::string file : {"../model.safetensors", "/etc/passwd", "a/b.safetensors"}) {
    map_["transformer.wte.weight"] = file;
    const base::Error error = ErrorOf([&] { Load(); });
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(index().string()), HasSubstr(file),
                                    HasSubstr("'transformer.wte.weight'")));
  }
}

TEST_F(ShardedWeightsTest, AnIndexWithoutAMapIsRefused) {
  for (const std::string text : {"", "{", "[]", "{}", R"({"weight_map":{}})",
                                 R"({"weight_map":["a"]})", R"({"weight_map":{"a":1}})"}) {
    const base::Error error = ErrorOfIndex(text);
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << text;
    EXPECT_THAT(error.what(), HasSubstr(index().string())) << text;
  }
}

TEST_F(ShardedWeightsTest, AFolderWithoutWeightsIsNamed) {
  const TemporaryFolder empty;
  const base::Error error = ErrorOf([&] { LoadTransformerWeights(empty.path(), config_); });
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), AllOf(HasSubstr(empty.path().string()), HasSubstr("model.safetensors"),
                                  HasSubstr("model.safetensors.index.json")));
}

}  // namespace
}  // namespace assay::model

#include "model/hook_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string MessageFor(const std::string& hook, const std::string& architecture = "gpt2") {
  const base::Error error = ErrorOf([&] { ParseHook(hook, TinyConfig(architecture)); });
  EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  EXPECT_THAT(error.what(), HasSubstr("'" + hook + "'"));
  return error.what();
}

std::vector<std::string> HookNames(const std::string& architecture) {
  const TransformerConfig config = TinyConfig(architecture);
  std::vector<std::string> names;
  for (const HookPoint& hook : AllHooks(config)) names.push_back(HookName(hook, config));
  return names;
}

class HookPointTest : public testing::TestWithParam<std::string> {};

TEST_P(HookPointTest, EveryNameReadsBackAsItsPlace) {
  const TransformerConfig config = TinyConfig(GetParam());
  std::set<std::string> names;
  for (const HookPoint& hook : AllHooks(config)) {
    const std::string name = HookName(hook, config);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(ParseHook(name, config), hook) << name;
  }
  EXPECT_TRUE(names.contains("logits"));
  EXPECT_TRUE(names.contains("blocks.2.mlp.hook_post"));
}

INSTANTIATE_TEST_SUITE_P(Architectures, HookPointTest,
                         testing::ValuesIn(AllArchitecturesForTests()), ArchitectureTestName);

TEST(HookPointTest, UnknownNamesAreRefusedWithTheListOfKnownOnes) {
  for (const std::string name :
       {"", "hook_post", "blocks.0", "blocks.0.", "blocks.0.mlp.hook_past",
        "blocks.0.mlp.hook_post ", "Blocks.0.mlp.hook_post", "blocks.x.mlp.hook_post",
        "blocks.-1.mlp.hook_post", "blocks.+1.mlp.hook_post", "blocks.1.5.mlp.hook_post",
        "blocks.0.logits", "blocks.0.hook_embed", "blocks.99999999999999999999.mlp.hook_post",
        "blocks.*.mlp.hook_post", "unembed", "logits\n", "blocks.0.ln1",
        "blocks.0.mlp.hook_post\n"}) {
    EXPECT_THAT(MessageFor(name), AllOf(HasSubstr("unknown hook"), HasSubstr("logits"),
                                        HasSubstr("blocks.{l}.mlp.hook_post")));
  }
}

TEST(HookPointTest, TheListOfKnownHooksHoldsOnlyThisModelsOwn) {
  EXPECT_THAT(MessageFor("x", "gpt2"), Not(HasSubstr("hook_mid,")));
  EXPECT_THAT(MessageFor("x", "gpt2/solu_ln"), HasSubstr("mlp.hook_mid"));
  EXPECT_THAT(MessageFor("x", "llama"), HasSubstr("mlp.hook_pre_linear"));
}

TEST(HookPointTest, ABlockHookWithoutItsLayerIsAmbiguous) {
  for (const std::string name : {"mlp.hook_post", "hook_resid_pre", "ln2.hook_normalized"}) {
    EXPECT_THAT(MessageFor(name),
                AllOf(HasSubstr("ambiguous"), HasSubstr("'blocks.0." + name + "'")));
  }
}

TEST(HookPointTest, ALayerThatTheModelLacksIsRefused) {
  EXPECT_THAT(MessageFor("blocks.3.mlp.hook_post"), HasSubstr("layers 0 to 2"));
  EXPECT_THAT(MessageFor("blocks.999999.mlp.hook_post"), HasSubstr("layers 0 to 2"));
  const TransformerConfig config = TinyConfig("gpt2");
  for (const int layer : {-1, 3}) {
    const base::Error error = ErrorOf([&] { BlockHook(HookSite::kMlpPost, layer, config); });
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(std::to_string(layer)), HasSubstr("0 to 2")));
  }
}

TEST(HookPointTest, APlaceThatTheArchitectureLacksIsRefusedWithTheReason) {
  EXPECT_THAT(MessageFor("blocks.0.mlp.hook_mid", "gpt2"), HasSubstr("SoLU"));
  EXPECT_THAT(MessageFor("blocks.0.mlp.hook_pre_linear", "gpt2"), HasSubstr("not gated"));
  EXPECT_THAT(MessageFor("hook_pos_embed", "llama"), HasSubstr("rotary"));
  EXPECT_THAT(MessageFor("blocks.0.hook_resid_mid", "gpt_neox"), HasSubstr("parallel"));
  EXPECT_THAT(MessageFor("blocks.0.hook_resid_mid", "bert"), HasSubstr("post-norm"));
  EXPECT_THAT(MessageFor("blocks.0.ln1.hook_normalized", "bert"), HasSubstr("post-norm"));
  EXPECT_THAT(MessageFor("ln_final.hook_normalized", "distilbert"), HasSubstr("no final norm"));
  const base::Error error = ErrorOf([&] { BlockHook(HookSite::kMlpMid, 0, TinyConfig("gpt2")); });
  EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  EXPECT_THAT(HookNames("gpt_neox/sequential"), Contains("blocks.0.hook_resid_mid"));
  EXPECT_THAT(HookNames("gpt_neox"), Not(Contains("blocks.0.hook_resid_mid")));
}

TEST(HookPointTest, ANeuronsActivationIsReadBeforeTheNormOfSolu) {
  const TransformerConfig solu = TinyConfig("gpt2/solu_ln"), plain = TinyConfig("gpt2");
  EXPECT_EQ(HookName(ActivationHook(1, solu), solu), "blocks.1.mlp.hook_mid");
  EXPECT_EQ(HookName(ActivationHook(1, plain), plain), "blocks.1.mlp.hook_post");
  EXPECT_EQ(ErrorOf([&] { ActivationHook(3, plain); }).kind(), ErrorKind::kUsage);
}

}  // namespace
}  // namespace assay::model

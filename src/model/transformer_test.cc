#include "model/transformer.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using testing::AllOf;
using testing::HasSubstr;

using Values = std::map<HookPoint, at::Tensor>;

Values ReadAll(const Transformer& model, const ForwardInput& input,
               const std::vector<HookPoint>& hooks) {
  Values out;
  model.Forward(input, hooks, [&](const HookPoint& hook, at::Tensor& value) { out[hook] = value; });
  return out;
}

HookPoint Logits(const Transformer& model) { return ParseHook("logits", model.config()); }

// The shape that hook_point.h promises, for B sequences of T tokens.
std::vector<int64_t> PromisedShape(HookSite site, const TransformerConfig& c, int64_t b,
                                   int64_t t) {
  switch (site) {
    case HookSite::kQ:
    case HookSite::kZ:
      return {b, t, c.heads, c.d_head};
    case HookSite::kK:
    case HookSite::kV:
      return {b, t, c.kv_heads, c.d_head};
    case HookSite::kPattern:
      return {b, c.heads, t, t};
    case HookSite::kMlpPre:
    case HookSite::kMlpPreLinear:
    case HookSite::kMlpMid:
    case HookSite::kMlpPost:
      return {b, t, c.d_mlp};
    case HookSite::kLogits:
      return {b, t, c.vocab};
    default:
      return {b, t, c.d_model};
  }
}

class TransformerTest : public testing::TestWithParam<std::string> {
 protected:
  const c10::InferenceMode guard_;
};
class CausalTransformerTest : public TransformerTest {};

TEST_P(TransformerTest, EveryHookHasItsShapeAndComesOnceInOrder) {
  const Transformer model = TinyTransformer(GetParam());
  const std::vector<HookPoint> hooks = AllHooks(model.config());
  std::vector<HookPoint> order;
  model.Forward({.ids = RandomIds(2, 7, 29)}, hooks, [&](const HookPoint& hook, at::Tensor& value) {
    const std::string name = HookName(hook, model.config());
    order.push_back(hook);
    EXPECT_EQ(value.sizes().vec(), PromisedShape(hook.site, model.config(), 2, 7)) << name;
    EXPECT_TRUE(at::isfinite(value).all().item<bool>()) << name;
    EXPECT_GT(value.std().item<double>(), 1e-3) << name << " is nearly constant";
  });
  EXPECT_EQ(order.size(), hooks.size());
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(TransformerTest, AValueDoesNotDependOnWhatElseIsAskedFor) {
  const Transformer model = TinyTransformer(GetParam());
  const ForwardInput input{.ids = RandomIds(2, 9, 29)};
  for (const auto& [hook, value] : ReadAll(model, input, AllHooks(model.config()))) {
    EXPECT_LT(LargestDifference(model.Read(input, hook), value), 2e-5)
        << HookName(hook, model.config());
  }
}

// Weights that are not there cannot be used without an exception: what is read was computed without
// them.
TEST_P(TransformerTest, ForwardStopsAtTheDeepestHook) {
  const TransformerConfig config = TinyConfig(GetParam());
  const Transformer whole(config, RandomWeights(config, 1));
  TransformerWeights cut = RandomWeights(config, 1);
  cut.blocks[1] = cut.blocks[2] = {};
  cut.blocks[0].mlp_out = {};
  cut.final_norm = cut.head_norm = {};
  cut.head_transform = cut.unembed = {};
  const Transformer shallow(config, cut);
  const ForwardInput input{.ids = RandomIds(2, 6, 29)};
  const HookPoint deepest = BlockHook(HookSite::kMlpPost, 0, config);
  for (const HookPoint& hook : AllHooks(config)) {
    if (hook <= deepest) {
      EXPECT_TRUE(at::equal(shallow.Read(input, hook), whole.Read(input, hook)))
          << HookName(hook, config);
    } else {
      EXPECT_ANY_THROW(shallow.Read(input, hook)) << HookName(hook, config);
    }
  }
}

TEST_P(TransformerTest, PaddingOnTheRightDoesNotChangeRealTokens) {
  const Transformer model = TinyTransformer(GetParam());
  const at::Tensor ids = RandomIds(1, 6, 29);
  const at::Tensor padded = at::cat({ids, RandomIds(1, 5, 29, 99)}, 1);
  ForwardInput input{.ids =
                         at::cat({padded, RandomIds(1, 11, 29, 7)})};  // beside a longer sequence
  if (!model.config().causal) {
    input.attention_mask = at::ones({2, 11}, at::kLong);
    input.attention_mask.select(0, 0).narrow(0, 6, 5).zero_();
  }
  for (const bool ask_pattern : {false, true}) {  // two ways to attend
    std::vector<HookPoint> hooks = {BlockHook(HookSite::kMlpPost, 2, model.config()),
                                    Logits(model)};
    if (ask_pattern) hooks.push_back(BlockHook(HookSite::kPattern, 0, model.config()));
    const Values alone = ReadAll(model, {.ids = ids}, hooks), batch = ReadAll(model, input, hooks);
    for (const HookPoint& hook : {hooks[0], hooks[1]}) {
      const at::Tensor real = batch.at(hook).narrow(0, 0, 1).narrow(1, 0, 6);
      EXPECT_LT(LargestDifference(real, alone.at(hook)), 2e-5) << HookName(hook, model.config());
    }
  }
}

TEST_P(TransformerTest, AnEditIsWhatTheRestOfTheForwardSees) {
  const TransformerConfig config = TinyConfig(GetParam());
  const Transformer model(config, RandomWeights(config, 1));
  TransformerWeights without = RandomWeights(config, 1);
  without.blocks[1].mlp_out.weight = at::zeros_like(without.blocks[1].mlp_out.weight);
  const Transformer ablated(config, without);
  const ForwardInput input{.ids = RandomIds(2, 6, 29)};
  const HookPoint post = BlockHook(HookSite::kMlpPost, 1, config);
  at::Tensor edited, before = model.Read(input, Logits(model));
  model.Forward(input, {post, Logits(model)}, [&](const HookPoint& hook, at::Tensor& value) {
    if (hook == post) value = at::zeros_like(value);
    if (hook != post) edited = value;
  });
  EXPECT_LT(LargestDifference(edited, ablated.Read(input, Logits(model))), 2e-5);
  EXPECT_GT(LargestDifference(edited, before), 1e-2);
  EXPECT_TRUE(at::equal(model.Read(input, Logits(model)), before)) << "the model is as it was";
}

TEST_P(TransformerTest, EveryEditReachesTheLogits) {
  const Transformer model = TinyTransformer(GetParam());
  const ForwardInput input{.ids = RandomIds(1, 6, 29)};
  const at::Tensor before = model.Read(input, Logits(model));
  for (const HookPoint& hook : AllHooks(model.config())) {
    if (hook == Logits(model)) continue;
    at::Tensor after;
    model.Forward(input, {hook, Logits(model)}, [&](const HookPoint& place, at::Tensor& value) {
      if (place == hook) {
        value = value.roll(1, -1);
      } else {
        after = value;
      }
    });
    EXPECT_GT(LargestDifference(after, before), 1e-4) << HookName(hook, model.config());
  }
}

TEST_P(TransformerTest, HeadAloneEqualsTheWholeForward) {
  const Transformer model = TinyTransformer(GetParam());
  const ForwardInput input{.ids = RandomIds(2, 6, 29)};
  const at::Tensor resid = model.Read(input, BlockHook(HookSite::kResidPost, 2, model.config()));
  const at::Tensor logits = model.Read(input, Logits(model));
  EXPECT_LT(LargestDifference(model.ApplyHead(resid), logits), 2e-5);
  const at::Tensor some = resid.select(0, 1).narrow(0, 3, 2);  // [2, D]
  EXPECT_LT(LargestDifference(model.ApplyHead(some), logits.select(0, 1).narrow(0, 3, 2)), 2e-5);
}

TEST_P(TransformerTest, IdsOutsideTheVocabularyAreRefused) {
  const Transformer model = TinyTransformer(GetParam());
  const HookPoint hook = BlockHook(HookSite::kMlpPost, 0, model.config());
  for (const int64_t bad : {int64_t{29}, int64_t{-1}, int64_t{1} << 40}) {
    const base::Error error = ErrorOf([&] {
      model.Read({.ids = at::tensor({int64_t{3}, bad}).view({1, 2})}, hook);
    });
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(std::to_string(bad)), HasSubstr("29")));
  }
  EXPECT_EQ(model.Read({.ids = at::tensor({int64_t{0}, int64_t{28}}).view({1, 2})}, hook).size(1),
            2);
}

TEST_P(TransformerTest, AnAttentionMaskMustBeAnEncodersAndFitTheIds) {
  const Transformer model = TinyTransformer(GetParam());
  const HookPoint hook = BlockHook(HookSite::kMlpPost, 0, model.config());
  const auto with_mask = [&](std::vector<int64_t> shape) {
    model.Read({.ids = RandomIds(2, 5, 29), .attention_mask = at::ones(shape, at::kLong)}, hook);
  };
  if (!model.config().causal) with_mask({2, 5});
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{2, 4}, {1, 5}, {5}, {2, 5, 1}, {3, 5}}) {
    const base::Error error = ErrorOf([&] { with_mask(shape); });
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr(model.config().causal ? "causal" : "[2, 5]"));
  }
}

TEST_P(TransformerTest, MoreTokensThanPositionsAreRefused) {
  const Transformer model = TinyTransformer(GetParam());
  const HookPoint hook = BlockHook(HookSite::kMlpPost, 0, model.config());
  EXPECT_EQ(model.Read({.ids = RandomIds(1, 24, 29)}, hook).size(1), 24);
  const base::Error error = ErrorOf([&] { model.Read({.ids = RandomIds(1, 25, 29)}, hook); });
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("25"), HasSubstr("24")));
  for (const auto& shape : {std::pair{1, 0}, std::pair{0, 4}}) {
    const at::Tensor none = at::zeros({shape.first, shape.second}, at::kLong);
    EXPECT_EQ(ErrorOf([&] { model.Read({.ids = none}, hook); }).kind(), ErrorKind::kBadInput);
  }
}

TEST_P(TransformerTest, Bfloat16StaysNearFloat32) {
  const TransformerConfig config = TinyConfig(GetParam());
  const Transformer exact(config, RandomWeights(config, 1));
  Transformer rough(config, RandomWeights(config, 1));
  rough.To("cpu", at::kBFloat16);
  const ForwardInput input{.ids = RandomIds(4, 12, 29)};
  const at::Tensor expected = exact.Read(input, Logits(exact));
  const at::Tensor found = rough.Read(input, Logits(rough));
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  const double error = ((found.to(at::kFloat) - expected).norm() / expected.norm()).item<double>();
  RecordProperty("relative_error", std::to_string(error));
  EXPECT_GT(error, 1e-4) << "computed in float32 after all?";
  EXPECT_LT(error, 0.03);
}

TEST_P(TransformerTest, GradientsFlowAndDoNotChangeValues) {
  const c10::InferenceMode off(false);
  const TransformerConfig config = TinyConfig(GetParam());
  Transformer model(config, RandomWeights(config, 1));
  const ForwardInput input{.ids = RandomIds(2, 8, 29)};
  const at::Tensor plain = model.Read(input, Logits(model));
  for (auto& [name, tensor] : NamedTensors(model.mutable_weights())) tensor->requires_grad_();
  const at::Tensor logits = model.Read(input, Logits(model));
  EXPECT_LT(LargestDifference(logits.detach(), plain), 2e-5);
  at::log_softmax(logits, -1).select(-1, 3).sum().backward();
  for (auto& [name, tensor] : NamedTensors(model.mutable_weights())) {
    ASSERT_TRUE(tensor->grad().defined()) << name;
    EXPECT_TRUE(at::isfinite(tensor->grad()).all().item<bool>()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, TransformerTest,
                         testing::ValuesIn(AllArchitecturesForTests()), ArchitectureTestName);

// Three prompts side by side, the second without the four tokens that it begins with as the first
// does, the third alone. Shallow ones leave when they are done.
TEST_P(CausalTransformerTest, PackedPromptsEqualTheirOwnForwards) {
  const c10::InferenceMode off(false);
  Transformer model = TinyTransformer(GetParam());
  const at::Tensor first = RandomIds(1, 11, 29), third = RandomIds(1, 6, 29),
                   rest = RandomIds(1, 8, 29), second = at::cat({first.narrow(1, 0, 4), rest}, 1);
  const std::vector<Segment> segments = {
      {.begin = 0, .count = 11},
      {.begin = 11, .count = 8, .parent = 0, .position = 4, .depth = 1},
      {.begin = 19, .count = 6, .depth = 0}};
  const ForwardInput packed{.ids = at::cat({first, rest, third}, 1), .segments = segments};
  std::vector<HookPoint> hooks;
  for (const HookPoint& hook : AllHooks(model.config())) {
    if (hook.site != HookSite::kPattern) hooks.push_back(hook);
  }
  const auto check = [&](double tolerance) {
    const Values a = ReadAll(model, {.ids = first}, hooks),
                 b = ReadAll(model, {.ids = second}, hooks),
                 c = ReadAll(model, {.ids = third}, hooks);
    for (const auto& [hook, value] : ReadAll(model, packed, hooks)) {
      const std::string name = HookName(hook, model.config());
      ASSERT_EQ(value.size(1), hook.layer <= 0 ? 25 : hook.layer == 1 ? 19 : 11) << name;
      EXPECT_LT(LargestDifference(value.narrow(1, 0, 11), a.at(hook)), tolerance) << name;
      if (hook.layer <= 1) {
        EXPECT_LT(LargestDifference(value.narrow(1, 11, 8), b.at(hook).narrow(1, 4, 8)), tolerance)
            << name;
      }
      if (hook.layer <= 0) {
        EXPECT_LT(LargestDifference(value.narrow(1, 19, 6), c.at(hook)), tolerance) << name;
      }
    }
  };
  {
    const c10::InferenceMode guard;
    check(2e-5);
  }
  // Weights that want gradients take the other way to attend.
  for (auto& [name, tensor] : NamedTensors(model.mutable_weights())) tensor->requires_grad_();
  check(2e-5);
}

TEST_P(CausalTransformerTest, PackedPromptsAreAsLongAsTheModelAllows) {
  const Transformer model = TinyTransformer(GetParam());
  const at::Tensor ids = RandomIds(1, 40, 29);
  const auto read = [&](const std::vector<Segment>& segments) {
    return model.Read({.ids = ids, .segments = segments}, Logits(model));
  };
  EXPECT_EQ(
      read({{.begin = 0, .count = 20}, {.begin = 20, .count = 20, .parent = 0, .position = 4}})
          .size(1),
      40);
  const auto message = [&](const std::vector<Segment>& segments) {
    return std::string(ErrorOf([&] { read(segments); }).what());
  };
  EXPECT_THAT(
      message({{.begin = 0, .count = 20}, {.begin = 20, .count = 20, .parent = 0, .position = 5}}),
      AllOf(HasSubstr("25"), HasSubstr("24")));
  // Gaps, a position that the parent does not reach, a parent that comes later, rising depth.
  for (const std::vector<Segment>& wrong : std::vector<std::vector<Segment>>{
           {{.begin = 0, .count = 20}},
           {{.begin = 0, .count = 20}, {.begin = 21, .count = 19}},
           {{.begin = 0, .count = 2}, {.begin = 2, .count = 38, .parent = 0, .position = 3}},
           {{.begin = 0, .count = 20, .parent = 1, .position = 2}, {.begin = 20, .count = 20}},
           {{.begin = 0, .count = 20, .depth = 1}, {.begin = 20, .count = 20, .depth = 2}}})
    EXPECT_EQ(ErrorOf([&] { read(wrong); }).kind(), ErrorKind::kInternal);
}

INSTANTIATE_TEST_SUITE_P(Architectures, CausalTransformerTest,
                         testing::ValuesIn(CausalArchitectures()), ArchitectureTestName);

TEST(TransformerDeviceTest, UnknownOrAbsentDevicesAreRefused) {
  Transformer model = TinyTransformer("gpt2");
  EXPECT_EQ(ErrorOf([&] { model.To("tpu", at::kFloat); }).kind(), ErrorKind::kUsage);
  if (!at::hasCUDA()) {
    EXPECT_EQ(ErrorOf([&] { model.To("cuda", at::kFloat); }).kind(), ErrorKind::kUnsupported);
  }
}

}  // namespace
}  // namespace assay::model

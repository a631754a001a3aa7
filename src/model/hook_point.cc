#include "model/hook_point.h"

#include <array>
#include <optional>
#include <regex>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::array<std::pair<HookSite, std::string_view>, 20> kNames = {{
    {HookSite::kEmbed, "hook_embed"},
    {HookSite::kPosEmbed, "hook_pos_embed"},
    {HookSite::kResidPre, "hook_resid_pre"},
    {HookSite::kLn1, "ln1.hook_normalized"},
    {HookSite::kQ, "attn.hook_q"},
    {HookSite::kK, "attn.hook_k"},
    {HookSite::kV, "attn.hook_v"},
    {HookSite::kPattern, "attn.hook_pattern"},
    {HookSite::kZ, "attn.hook_z"},
    {HookSite::kAttnOut, "hook_attn_out"},
    {HookSite::kResidMid, "hook_resid_mid"},
    {HookSite::kLn2, "ln2.hook_normalized"},
    {HookSite::kMlpPre, "mlp.hook_pre"},
    {HookSite::kMlpPreLinear, "mlp.hook_pre_linear"},
    {HookSite::kMlpMid, "mlp.hook_mid"},
    {HookSite::kMlpPost, "mlp.hook_post"},
    {HookSite::kMlpOut, "hook_mlp_out"},
    {HookSite::kResidPost, "hook_resid_post"},
    {HookSite::kLnFinal, "ln_final.hook_normalized"},
    {HookSite::kLogits, "logits"},
}};

bool InBlock(HookSite site) { return site >= HookSite::kResidPre && site <= HookSite::kResidPost; }

// Why the architecture has no such place; empty: it has.
std::string Missing(HookSite site, const TransformerConfig& config) {
  switch (site) {
    case HookSite::kPosEmbed:
      return config.learned_positions ? "" : "its positions are rotary, not embedded";
    case HookSite::kLn1:
      return config.post_norm ? "a post-norm encoder has no norm before attention" : "";
    case HookSite::kResidMid:
      return config.parallel_residual ? "attention and MLP run in parallel"
             : config.post_norm       ? "a post-norm encoder has ln2.hook_normalized there"
                                      : "";
    case HookSite::kMlpPreLinear:
      return config.gated_mlp ? "" : "its MLP is not gated";
    case HookSite::kMlpMid:
      return config.mlp_norm ? ""
                             : "only SoLU with layer norm has it; the activation is mlp.hook_post";
    case HookSite::kLnFinal:
      return config.final_norm ? "" : "it has no final norm";
    default:
      return "";
  }
}

int LayerOf(HookSite site, int layer, const TransformerConfig& config) {
  return InBlock(site) ? layer : site <= HookSite::kPosEmbed ? -1 : config.layers;
}

}  // namespace

HookPoint BlockHook(HookSite site, int layer, const TransformerConfig& config) {
  ASSAY_CHECK(InBlock(site));
  if (layer < 0 || layer >= config.layers) {
    Fail(ErrorKind::kUsage, "layer {} does not exist; the model has layers 0 to {}", layer,
         config.layers - 1);
  }
  if (const std::string why = Missing(site, config); !why.empty()) {
    Fail(ErrorKind::kUsage, "this {} model has no such hook: {}", config.model_type, why);
  }
  return {layer, site};
}

HookPoint ActivationHook(int layer, const TransformerConfig& config) {
  return BlockHook(config.mlp_norm ? HookSite::kMlpMid : HookSite::kMlpPost, layer, config);
}

std::string HookName(const HookPoint& hook, const TransformerConfig&) {
  for (const auto& [site, name] : kNames) {
    if (site == hook.site)
      return InBlock(site) ? fmt::format("blocks.{}.{}", hook.layer, name) : std::string(name);
  }
  ASSAY_CHECK(false);
  return {};
}

HookPoint ParseHook(const std::string& name, const TransformerConfig& config) {
  static const std::regex kBlock(R"(blocks\.(\d{1,6})\.(.+))");
  std::smatch match;
  const bool in_block = std::regex_match(name, match, kBlock);
  const std::string local = in_block ? match[2].str() : name;
  for (const auto& [site, site_name] : kNames) {
    if (site_name != local) continue;
    if (InBlock(site) && !in_block) {
      Fail(ErrorKind::kUsage, "hook '{}' is ambiguous: say which layer, as in 'blocks.0.{}'", name,
           name);
    }
    if (InBlock(site) != in_block) break;
    const int layer = in_block ? std::stoi(match[1].str()) : 0;
    if (in_block && layer >= config.layers) {
      Fail(ErrorKind::kUsage, "hook '{}': the model has layers 0 to {}", name, config.layers - 1);
    }
    if (const std::string why = Missing(site, config); !why.empty()) {
      Fail(ErrorKind::kUsage, "hook '{}': this {} model does not have it: {}", name,
           config.model_type, why);
    }
    return {LayerOf(site, layer, config), site};
  }
  std::vector<std::string> known;
  for (const auto& [site, site_name] : kNames) {
    if (Missing(site, config).empty())
      known.push_back((InBlock(site) ? "blocks.{l}." : "") + std::string(site_name));
  }
  Fail(ErrorKind::kUsage, "unknown hook '{}'; this model has: {}", name, fmt::join(known, ", "));
}

std::vector<HookPoint> AllHooks(const TransformerConfig& config) {
  std::vector<HookPoint> out;
  for (const auto& [site, name] : kNames) {
    if (!Missing(site, config).empty()) continue;
    for (int layer = 0; layer < (InBlock(site) ? config.layers : 1); ++layer)
      out.push_back({LayerOf(site, layer, config), site});
  }
  return out;
}

}  // namespace assay::model

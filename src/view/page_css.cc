#include "view/page_css.h"

namespace assay::view {

std::string_view PageRules() {
  return R"(:root{--ground:#fff;--raised:#fff;--sunk:#f5f7f9;--ink:#1c2127;--quiet:#5b6470;--line:#dfe3e8;--link:#124f9c;--mark:#1c2127;--bar:#c9d8ea}
@media (prefers-color-scheme:dark){:root{--ground:#14181d;--raised:#1a1f25;--sunk:#1f252c;--ink:#e6e9ed;--quiet:#a3adb8;--line:#2e363f;--link:#8cc1fb;--mark:#f4f6f8;--bar:#2b4767}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,'Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;overflow-x:hidden}
main{max-width:1180px;margin:0 auto;padding:20px 24px 64px}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
h1{font-size:26px;line-height:1.2;margin:2px 0 4px;letter-spacing:-.01em}
h2{font-size:17px;margin:36px 0 10px}
.quiet,caption{color:var(--quiet);font-size:13px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);margin:0}
.top{display:flex;flex-wrap:wrap;gap:8px 24px;align-items:flex-end;justify-content:space-between;border-bottom:1px solid var(--line);padding-bottom:14px}
.top p{margin:0}
nav{display:flex;flex-wrap:wrap;gap:8px}
nav a{border:1px solid var(--line);border-radius:7px;padding:4px 11px;background:var(--raised)}
.wide{overflow-x:auto;max-width:100%}
.graph{border:1px solid var(--line);border-radius:10px;background:var(--ground);margin-top:18px}
.graph svg{display:block}
.picture.tracing .node:not(.on),.picture.tracing .edge:not(.on),.picture.tracing .count{opacity:.22}
.picture.tracing .edge.on>.wire{stroke-width:2}
.columns{display:flex;flex-wrap:wrap;gap:18px 24px;align-items:flex-start}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(136px,1fr));gap:10px 22px;margin:0}
.facts dt{color:var(--quiet);font-size:12.5px}
.facts dd{margin:0;font-variant-numeric:tabular-nums;font-size:16px;overflow-wrap:anywhere}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
caption{text-align:left;font-weight:600;padding-bottom:4px;color:var(--ink);font-size:14px}
th{font-weight:400;text-align:left}
thead th{color:var(--quiet);font-size:12.5px}
td,th{padding:3px 9px 3px 0;border-bottom:1px solid var(--line);white-space:nowrap}
.scores td,.scores thead th,.n{text-align:right}
.scores thead th:first-child{text-align:left}
td.bar{position:relative;min-width:112px}
td.bar>i{position:absolute;left:0;top:3px;bottom:3px;background:var(--bar);border-radius:2px;width:calc((100% - 50px)*var(--share))}
td.bar>b,td.bar>span{position:relative;padding-right:4px}
.toolbar{position:sticky;top:0;z-index:5;display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;background:var(--ground);border-bottom:1px solid var(--line);padding:8px 0;margin-top:34px}
.toolbar h2{margin:0 auto 0 0}
.toolbar fieldset{border:1px solid var(--line);border-radius:8px;margin:0;padding:2px;display:flex}
.toolbar legend{position:absolute;clip-path:inset(50%)}
.toolbar label{padding:3px 12px;border-radius:6px;cursor:pointer;font-size:14px}
.toolbar input{position:absolute;opacity:0;pointer-events:none}
.toolbar label:has(input:checked){background:var(--ink);color:var(--ground)}
.toolbar label:has(input:focus-visible){outline:2px solid var(--link)}
.ramp{display:inline-flex;vertical-align:-1px;margin:0 5px;border-radius:3px;overflow:hidden}
.ramp i{width:9px;height:11px;display:block}
[data-shade="activation"] .ramp.imp,[data-shade="importance"] .ramp.act{display:none}
.example{border-bottom:1px solid var(--line);padding:12px 0 10px}
.example header{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline}
.rank{color:var(--quiet);min-width:26px;font-variant-numeric:tabular-nums}
.value{font-variant-numeric:tabular-nums}
.place{margin-left:auto;overflow-wrap:anywhere}
.tag{font-size:12px;border:1px solid var(--line);border-radius:99px;padding:0 8px;color:var(--quiet)}
.tag.train{color:var(--ink);background:var(--sunk)}
.tokens{margin:6px 0;line-height:1.85;white-space:pre-wrap;overflow-wrap:anywhere;font-size:15px}
.tokens.small{font-size:13px;line-height:1.7;margin:0;min-width:200px}
.t{position:relative;padding:2px 0;border-radius:3px;box-decoration-break:clone;-webkit-box-decoration-break:clone}
.pivot{box-shadow:0 2px 0 var(--mark);font-weight:600}
.t:hover,.t.here{outline:1.5px solid var(--mark);z-index:4}
.t:hover::after,.t.here::after{content:attr(data-v);position:absolute;left:0;bottom:calc(100% + 3px);background:var(--ink);color:var(--ground);font:12px/1.5 system-ui,'DejaVu Sans',sans-serif;padding:2px 8px;border-radius:5px;white-space:nowrap;pointer-events:none;z-index:6;direction:ltr}
.unfold{display:none;border:1px solid var(--line);background:var(--sunk);color:var(--quiet);border-radius:5px;font:inherit;font-size:13px;line-height:1.1;padding:1px 7px;margin:0 4px;cursor:pointer}
.script .unfold{display:inline-block}
.script .folded{display:none}
.script .unfold[aria-expanded="true"]+.folded{display:inline}
details{margin:2px 0 4px}
.kind>summary{font-size:15px;font-weight:600;color:var(--ink);padding:8px 0 2px}
h3.quiet{font-weight:500;margin:14px 0 0}
summary{cursor:pointer;font-size:13.5px;color:var(--quiet)}
summary:hover{color:var(--ink)}
summary .spark{vertical-align:-10px;margin:0 10px 0 4px}
details[open]>summary{margin-bottom:6px}
details>.tokens,details>.wide{margin-left:16px}
.rule{stroke-dasharray:3 3}
.line.faint{stroke:var(--quiet);stroke-width:1;opacity:.4}
.variations td{white-space:normal;vertical-align:baseline}
.variations td:nth-child(1){white-space:nowrap}
.rejected td{color:var(--quiet)}
.rejected .tokens{opacity:.75}
.arrow{color:var(--quiet)}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:18px}
.card{border:1px solid var(--line);border-radius:10px;padding:12px 14px;background:var(--ground);min-width:0}
.card svg{display:block;margin:0 auto}
.card header{margin-bottom:8px;display:flex;justify-content:space-between;gap:10px;align-items:baseline}
.map{margin:0 0 18px}
.map svg{display:block;max-width:100%;height:auto}
.picture rect.unit{stroke:none}
.picture rect.none{fill:var(--line)}
.picture a:hover rect.unit,.picture a:focus rect.unit{stroke:var(--mark);stroke-width:2}
#go{display:flex;flex-wrap:wrap;gap:8px;align-items:center}
#go input{font:inherit;width:9em;padding:4px 9px;border:1px solid var(--line);border-radius:7px;background:var(--raised);color:var(--ink)}
#go button{font:inherit;padding:4px 12px;border:1px solid var(--line);border-radius:7px;background:var(--sunk);color:var(--ink);cursor:pointer}
.by-layer td{padding-right:20px}
.by-layer td small{color:var(--quiet);font-size:inherit}
.options dl{display:grid;grid-template-columns:minmax(120px,auto) 1fr;gap:2px 18px;margin:4px 0 12px 16px;font-size:13.5px}
.options dt{color:var(--quiet)}
.options dd{margin:0;overflow-wrap:anywhere}
@media (max-width:640px){.options dl{grid-template-columns:1fr}.options dd{margin-bottom:6px}}
@media (max-width:640px){main{padding:14px 14px 48px}h1{font-size:22px}.place{margin-left:0;width:100%}.toolbar h2{width:100%}td,th{padding-right:9px}}
@media (prefers-reduced-motion:no-preference){.node,.edge{transition:opacity .12s}}
@media print{.toolbar{position:static}.unfold,nav{display:none}}
)";
}

}  // namespace assay::view

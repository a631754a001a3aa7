#include "view/study_page.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "view/markup.h"
#include "view/robustness_page.h"
#include "view/style.h"

namespace assay::view {
namespace {

constexpr std::string_view kRules = R"(
.pair{display:flex;flex-wrap:wrap;gap:28px;justify-content:center;margin:24px 0}
.pair button{border:2px solid var(--line);border-radius:10px;background:var(--raised);padding:10px;cursor:pointer;color:var(--quiet);font:inherit}
.pair button:hover,.pair button:focus-visible{border-color:var(--link)}
.pair img{display:block;width:min(SIDEpx,42vw);aspect-ratio:1;image-rendering:pixelated}
.centre{text-align:center}
#bar{height:4px;background:var(--sunk);border-radius:2px}
#bar i{display:block;height:100%;width:0;background:var(--link);border-radius:2px}
.big{font:inherit;font-size:17px;padding:8px 22px;border-radius:8px;border:1px solid var(--line);background:var(--sunk);color:var(--ink);cursor:pointer}
input{font:inherit;padding:6px 10px;border:1px solid var(--line);border-radius:7px;background:var(--raised);color:var(--ink)}
)";

constexpr std::string_view kScript = R"(
const study=JSON.parse(document.getElementById('study').textContent),answers=[],$=id=>document.getElementById(id);
let trial=-1,since=0;
function show(){
  $('bar').firstElementChild.style.width=100*trial/study.pairs.length+'%';
  if(trial>=study.pairs.length){$('task').hidden=true;$('end').hidden=false;$('save').focus();return}
  $('count').textContent=(trial+1)+' of '+study.pairs.length;
  $('left').src=study.pairs[trial][0];$('right').src=study.pairs[trial][1];since=performance.now();
}
function choose(side){
  if(trial<0||trial>=study.pairs.length)return;
  answers.push([trial+1,side,Math.round(performance.now()-since)]);trial++;show();
}
function start(){if(trial>=0)return;trial=0;$('start').hidden=true;$('task').hidden=false;show()}
$('begin').onclick=start;
$('a').onclick=()=>choose(1);$('b').onclick=()=>choose(2);
addEventListener('keydown',event=>{
  if(event.target.tagName==='INPUT'||event.repeat)return;
  if(event.key==='ArrowLeft'||event.key==='1'){event.preventDefault();choose(1)}
  if(event.key==='ArrowRight'||event.key==='2'){event.preventDefault();choose(2)}
});
$('save').onclick=()=>{
  const person=$('person').value.replace(/[^\w .-]/g,'');
  const rows=answers.map(row=>[study.name,...row,person].join(','));
  const link=document.createElement('a');
  link.href=URL.createObjectURL(new Blob(['study,trial,choice,milliseconds,person\n'+rows.join('\n')+'\n'],{type:'text/csv'}));
  link.download=study.name+'-answers'+(person?'-'+person.replace(/ /g,'_'):'')+'.csv';link.click();
};
)";

}  // namespace

std::string WriteStudyPage(const StudyPage& page) {
  nlohmann::json pairs = nlohmann::json::array();
  for (const auto& [left, right] : page.pairs) pairs.push_back({PngUrl(left), PngUrl(right)});
  std::string data = nlohmann::json({{"name", page.name}, {"pairs", pairs}}).dump();
  // "</script" must not occur inside the element; base64 and names of ours have no '<'.
  for (size_t at = 0; (at = data.find('<', at)) != std::string::npos;)
    data.replace(at, 1, "\\u003c");
  std::string rules(kRules);
  rules.replace(rules.find("SIDE"), 4, std::to_string(page.side_px));
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{0}</title>\n<style>\n{1}{2}</style>"
      "</head>\n<body><main>\n<div class=\"top\"><div><p class=\"quiet\">Study {3} · {4} pairs</p>"
      "<h1>{0}</h1></div></div>\n"
      "<section id=\"start\"><p>Each time you see two pictures of the same tissue. One of them was "
      "altered. Say which, with the arrow keys (or 1 and 2, or a click). Guess when you see no "
      "difference: some changes are far too small to be seen.</p>"
      "<p><label>Your name or code (may be empty) <input id=\"person\" maxlength=\"40\" "
      "autocomplete=\"off\"></label></p><p><button class=\"big\" id=\"begin\">Begin</button></p>"
      "</section>\n"
      "<section id=\"task\" hidden><p class=\"centre quiet\" id=\"count\" aria-live=\"polite\"></p>"
      "<div id=\"bar\"><i></i></div><div class=\"pair\">"
      "<button id=\"a\"><img id=\"left\" alt=\"left picture\">← or 1</button>"
      "<button id=\"b\"><img id=\"right\" alt=\"right picture\">→ or 2</button></div></section>\n"
      "<section id=\"end\" hidden><p>Thank you. Save your answers and hand the file to whoever "
      "runs "
      "the study.</p><p><button class=\"big\" id=\"save\">Save answers</button></p></section>\n"
      "<script type=\"application/json\" id=\"study\">{5}</script>\n<script>{6}</script>\n"
      "</main></body></html>\n",
      EscapeMarkup(page.question), PageCss(), rules, EscapeMarkup(page.name), page.pairs.size(),
      data, kScript);
}

}  // namespace assay::view

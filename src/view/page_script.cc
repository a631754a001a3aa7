#include "view/page_script.h"

#include <fmt/format.h>

#include "view/markup.h"
#include "view/style.h"

namespace assay::view {

std::string_view PageScript() {
  return R"js((() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add('script');

  for (const input of all('input[name=shade]')) {
    input.addEventListener('change', () => { document.body.dataset.shade = input.value; });
    if (input.checked) document.body.dataset.shade = input.value;
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button.unfold');
    if (!button) return;
    const open = button.getAttribute('aria-expanded') !== 'true';
    button.setAttribute('aria-expanded', String(open));
    button.textContent = open ? '‹›' : '…';
  });

  // Left and right walk through the tokens of the text that has the focus and show each value.
  const spoken = document.getElementById('spoken');
  document.addEventListener('keydown', (event) => {
    const text = event.target;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !text.matches || !text.matches('.tokens')) return;
    event.preventDefault();
    const tokens = all('.t', text).filter((token) => token.offsetParent !== null);
    const now = tokens.findIndex((token) => token.classList.contains('here'));
    const start = tokens.findIndex((token) => token.classList.contains('pivot'));
    const next = now < 0 ? Math.max(start, 0) : Math.min(Math.max(now + step, 0), tokens.length - 1);
    if (now >= 0) tokens[now].classList.remove('here');
    tokens[next].classList.add('here');
    if (spoken) spoken.textContent = tokens[next].textContent + ': ' + tokens[next].dataset.v;
  });
  document.addEventListener('focusout', (event) => {
    for (const token of all('.t.here', event.target)) token.classList.remove('here');
  });

  // Under the pointer, a node of the graph stands out with everything that leads to it and follows from it.
  // A picture wider than the page begins where the neuron fires, on the right.
  for (const frame of all('.graph')) frame.scrollLeft = frame.scrollWidth;
  for (const picture of all('svg.picture')) {
    const edges = all('.edge', picture);
    const reach = (start, from, to) => {
      const seen = new Set([start]);
      for (const node of seen) for (const edge of edges) if (edge.dataset[from] === node) seen.add(edge.dataset[to]);
      return seen;
    };
    for (const node of all('.node[data-node]', picture)) {
      node.addEventListener('pointerenter', () => {
        const before = reach(node.dataset.node, 'to', 'from'), after = reach(node.dataset.node, 'from', 'to');
        picture.classList.add('tracing');
        for (const other of all('.node', picture)) {
          other.classList.toggle('on', before.has(other.dataset.node) || after.has(other.dataset.node));
        }
        for (const edge of edges) {
          const { from, to } = edge.dataset;
          edge.classList.toggle('on', (before.has(from) && before.has(to)) || (after.has(from) && after.has(to)));
        }
      });
      node.addEventListener('pointerleave', () => picture.classList.remove('tracing'));
    }
  }
  // A graph wider than the page is read from its activating tokens, at its right end.
  for (const box of all('.wide')) {
    const ends = all('.edge', box).map((edge) => edge.getBoundingClientRect().right - box.getBoundingClientRect().left);
    if (ends.length) box.scrollLeft = Math.max(0, Math.max(...ends) + 130 - box.clientWidth);
  }

  const go = document.getElementById('go');
  if (go) {
    go.addEventListener('submit', (event) => {
      event.preventDefault();
      const wanted = go.querySelector('input').value.trim();
      const link = all('a[data-unit]').find((a) => a.dataset.unit === wanted);
      const note = go.querySelector('output');
      if (link) window.location.href = link.getAttribute('href');
      else note.textContent = 'no page for ' + wanted;
    });
  }
})();
)js";
}

std::string WrapPage(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; "
      "script-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light "
      "dark\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n"
      "<body data-shade=\"activation\">\n{}<p id=\"spoken\" class=\"unseen\" "
      "aria-live=\"polite\"></p>\n"
      "<script>\n{}</script>\n</body>\n</html>\n",
      EscapeMarkup(title), PageCss(), body, PageScript());
}

}  // namespace assay::view

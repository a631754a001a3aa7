// node screenshots.mjs ASSAY PAGE_FOLDER OUT_FOLDER RUN RUN_OF_TILES: the three pictures of the page for the README.
import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadPlaywright } from './playwright.mjs';
import { chromiumPath, kChromiumFlags, serve } from './small_run.mjs';

const kMostBytes = 400_000;
const [program, page_folder, out, ...runs] = process.argv.slice(2);
const executablePath = chromiumPath();
if (!executablePath) throw new Error('Chromium is not installed');
const { chromium } = await loadPlaywright();
const server = await serve(program, runs, page_folder);
const browser = await chromium.launch({ executablePath, args: kChromiumFlags });
const [name, tiles] = runs.map((run) => basename(run));

// The unit with the most to see among those that the overview recommends.
async function richest(kind, value) {
  const api = async (path) => (await fetch(`${server.address}api/runs/${name}${path}`)).json();
  const found = (await api('')).highlights[kind];
  if (!found.length) throw new Error(`${runs[0]}: has no units to show; make demo scores graphs and embeds neurons`);
  const rows = await Promise.all(found.map(async (unit) => ({ ...unit, rich: await value((path) => api(`/neurons/${unit.layer}/${unit.index}${path}`)) })));
  return rows.reduce((best, row) => (row.rich > best.rich ? row : best));
}

// The window, or from the top of `from` to the bottom of `to`.
async function shoot(file, hash, { height = 860, from = null, to = from, dark = false, ready = async () => {} } = {}) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height }, colorScheme: dark ? 'dark' : 'light' })).newPage();
  await page.goto(server.address + hash);
  await page.waitForLoadState('networkidle');
  await ready(page);
  const edge = (selector, side) => page.locator(selector).first().evaluate((element, name) => element.getBoundingClientRect()[name] + scrollY, side);
  const options = {};
  if (from) {
    const top = (await edge(from, 'top')) - 20, bottom = (await edge(to, 'bottom')) + 20;
    Object.assign(options, { fullPage: true, clip: { x: 0, y: top, width: 1280, height: bottom - top } });
  }
  await page.waitForTimeout(400);
  const path = join(out, file);
  await page.screenshot({ path, ...options });
  await page.context().close();
  const bytes = statSync(path).size;
  if (bytes > kMostBytes) throw new Error(`${path}: ${bytes} bytes; at most ${kMostBytes}`);
  console.log(`${path}  ${bytes} bytes  ${hash}`);
}

try {
  // Enough to read, and not more than fits.
  const clear = await richest('best', async (ask) => { const nodes = (await ask('/graph')).nodes.length; return nodes <= 24 ? nodes : 0; });
  await shoot('page-neuron.png', `#/${name}/neuron/${clear.layer}/${clear.index}`, { from: '.site', to: 'section.panel' });
  const mixed = await richest('polysemantic', async (ask) => {
    const unit = await ask('');
    const large = unit.clusters.filter((one) => one.members >= 4).length;
    return large < 2 ? 0 : 100 + 10 * Math.min(4, large) - unit.clusters.length + unit.measures.polysemanticity;
  });
  await shoot('page-clusters.png', `#/${name}/neuron/${mixed.layer}/${mixed.index}`, { dark: true, from: 'section:has(> .tabs) > h2', to: 'section:has(> .tabs)' });
  const loaded = (page) => page.waitForFunction(() => [...document.querySelectorAll('.compare img, .maps img, .tile img')].every((one) => one.complete && one.naturalWidth > 0));
  await shoot('page-tile.png', `#/${tiles}/robustness`, { from: '.item h2', to: '.tiles', ready: loaded });
} finally {
  await browser.close();
  await server.stop();
}

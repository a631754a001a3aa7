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

async function shoot(file, hash, { height = 860, at = null, dark = false, ready = async () => {} } = {}) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height }, colorScheme: dark ? 'dark' : 'light' })).newPage();
  await page.goto(server.address + hash);
  await page.waitForLoadState('networkidle');
  await ready(page);
  if (at) await page.locator(at).first().evaluate((element) => scrollTo(0, element.getBoundingClientRect().top + scrollY - 24));
  await page.waitForTimeout(400);
  const path = join(out, file);
  await page.screenshot({ path });
  await page.context().close();
  const bytes = statSync(path).size;
  if (bytes > kMostBytes) throw new Error(`${path}: ${bytes} bytes; at most ${kMostBytes}`);
  console.log(`${path}  ${bytes} bytes  ${hash}`);
}

try {
  // Enough to read, and not more than fits.
  const clear = await richest('best', async (ask) => { const nodes = (await ask('/graph')).nodes.length; return nodes <= 24 ? nodes : 0; });
  await shoot('page-neuron.png', `#/${name}/neuron/${clear.layer}/${clear.index}`);
  const mixed = await richest('polysemantic', async (ask) => {
    const unit = await ask('');
    const large = unit.clusters.filter((one) => one.members >= 4).length;
    return large < 2 ? 0 : 100 + 10 * Math.min(4, large) - unit.clusters.length + unit.measures.polysemanticity;
  });
  await shoot('page-clusters.png', `#/${name}/neuron/${mixed.layer}/${mixed.index}`, { dark: true, at: 'section:has(> .tabs)', height: 760 });
  const loaded = (page) => page.waitForFunction(() => [...document.querySelectorAll('.compare img, .maps img, .tile img')].every((one) => one.complete && one.naturalWidth > 0));
  await shoot('page-tile.png', `#/${tiles}/robustness`, { at: '.item', height: 940, ready: loaded });
} finally {
  await browser.close();
  await server.stop();
}

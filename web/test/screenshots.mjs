// node screenshots.mjs ASSAY PAGE_FOLDER OUT_FOLDER RUN [RUN_OF_TILES]: pictures of the page for the README.
import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadPlaywright } from './playwright.mjs';
import { chromiumPath, kChromiumFlags, serve } from './small_run.mjs';

const kMostBytes = 300_000;
const [program, page_folder, out, ...runs] = process.argv.slice(2);
const executablePath = chromiumPath();
if (!executablePath) throw new Error('Chromium is not installed');
const { chromium } = await loadPlaywright();
const server = await serve(program, runs, page_folder);
const browser = await chromium.launch({ executablePath, args: kChromiumFlags });
const name = basename(runs[0]);

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
  if (at) await page.locator(at).first().evaluate((element) => element.scrollIntoView({ block: 'start' }));
  await page.waitForTimeout(300);
  const path = join(out, file);
  await page.screenshot({ path });
  await page.context().close();
  const bytes = statSync(path).size;
  if (bytes > kMostBytes) throw new Error(`${path}: ${bytes} bytes; at most ${kMostBytes}`);
  console.log(`${path}  ${bytes} bytes  ${hash}`);
}

try {
  const clear = await richest('best', async (ask) => (await ask('/graph')).nodes.length);
  await shoot('page-neuron.png', `#/${name}/neuron/${clear.layer}/${clear.index}`);
  const mixed = await richest('polysemantic', async (ask) => { const unit = await ask(''); return unit.clusters.length > 1 ? unit.measures.polysemanticity : 0; });
  await shoot('page-clusters.png', `#/${name}/neuron/${mixed.layer}/${mixed.index}?cluster=0`, { dark: true, at: '.tabs >> xpath=..' });
  if (runs[1]) {
    await shoot('page-tile.png', `#/${basename(runs[1])}/robustness?only=fooled`, { at: '.item', height: 900 });
  } else {
    console.log('no run of tiles: the third picture is of a text tried');
    await shoot('page-try.png', `#/${name}/try?unit=${clear.layer}:${clear.index}`, { ready: (page) => page.waitForSelector('.top-units tbody tr') });
  }
} finally {
  await browser.close();
  await server.stop();
}

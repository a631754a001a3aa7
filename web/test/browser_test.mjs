// The page in a real browser, every view, on small runs made with the built program:
//   node browser_test.mjs ASSAY PAGE_FOLDER      (77: skipped, there is no Chromium; CHROMIUM=path for another place)
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPlaywright } from './playwright.mjs';
import { writePairs, writeRobustnessRun } from './robustness_fixture.mjs';
import { tileTests } from './tile_tests.mjs';
import { assay, chromiumPath, kChromiumFlags, serve, smallText } from './small_run.mjs';

const [program, page_folder] = process.argv.slice(2);
const executablePath = chromiumPath();
if (!executablePath) {
  console.log('skipped: Chromium is not installed (Debian: apt-get install chromium)');
  process.exit(77);
}

const kHostile = '<img src=x onerror="window.hacked=1">';
const folder = mkdtempSync(join(tmpdir(), 'assay-browser-'));
const run = join(folder, 'small'), images = join(folder, 'images'), faces = join(folder, 'pictures'), tiles = join(folder, 'tiles'), units = join(folder, 'units');
const problems = [];
let page, server, browser;

function makeRuns() {
  const text = join(folder, 'text.jsonl');
  writeFileSync(text, smallText());
  assay(program, 'neurons', 'collect', '--text', text, '--run', run);
  // Neurons that fire for several reasons, whatever the shipped model has learnt: substitutes take time, so only for a few.
  const measures = join(folder, 'measures.json');
  assay(program, 'neurons', 'embed', '--run', run, '--layers', '0,2', '--sample', '80', '--json', measures);
  const mixed = JSON.parse(readFileSync(measures, 'utf8')).filter((unit) => unit.clusters > 1).sort((a, b) => b.examples - a.examples).slice(0, 12);
  assay(program, 'neurons', 'graph', '--run', run, '--units', mixed.map((one) => one.unit).join(','), '--substitutes-per-word', '2', '--trajectory-context', '6');
  assay(program, 'neurons', 'score', '--run', run, '--sequences', '5');
  assay(program, 'neurons', 'similar', '--run', run, '--by', 'embedding');
  const sae = join(folder, 'sae');
  assay(program, 'sae', 'train', '--hook', 'blocks.0.hook_resid_mid', '--text', text, '--out', sae, '--features', '64', '--steps', '40', '--batch', '256', '--tokens', '3000');
  assay(program, 'sae', 'evaluate', sae, '--text', text, '--run', run, '--units', '8', '--max-tokens', '1500');
  const tissue = join(folder, 'tissue');
  assay(program, 'robust', 'synthesize', '--out', tissue, '--tiles', '12', '--patients', '4', '--seed', '3');
  assay(program, 'robust', 'evaluate', '--tiles', tissue, '--out', tiles, '--attacks', 'fgsm', '--transforms', 'none', '--saliency', 'gradient', '--saliency-images', '2', '--gallery', '2', '--resamples', '10');
  assay(program, 'neurons', 'embed', '--images', fileURLToPath(new URL('../../models/assay-he/assay-he.safetensors', import.meta.url)), '--tiles', tissue, '--run', units, '--sample', '6');
  writeRobustnessRun(images, kHostile.replaceAll('"', "'"));
  writePairs(faces, 2);
}

const api = async (path) => (await fetch(server.address + 'api/' + path)).json();
const text = (selector) => page.locator(selector).first().innerText();
// As the page writes activations.
function amount(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toExponential(2) : size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}
const number = (value, digits = 2) => (typeof value === 'number' ? value.toFixed(digits) : '–');

async function open(hash) {
  await page.goto('about:blank');
  await page.goto(server.address + '#/' + hash);
  await page.waitForSelector('main h1, main .problem');
  await page.waitForLoadState('networkidle');
}

// A unit with a graph of several nodes, held-out scores and clusters, chosen by what the API says.
let rich = null;
async function richUnit() {
  if (rich) return rich;
  let best = null;
  for (const layer of [0, 2]) {
    const map = await api(`runs/small/layers/${layer}`);
    for (const [i, index] of map.index.entries()) {
      if (!map.has_graph[i]) continue;
      const unit = await api(`runs/small/neurons/${layer}/${index}`);
      const graph = await api(`runs/small/neurons/${layer}/${index}/graph`);
      let varied = false;
      for (let rank = 0; rank < unit.examples.top && !varied; rank++) {
        const { prompts } = await api(`runs/small/neurons/${layer}/${index}/prompts/${rank}`);
        varied = !!prompts?.some((prompt) => prompt.substitution);
      }
      const rank = 100 * Math.min(2, unit.clusters.length) + (varied ? 50 : 0) + graph.nodes.filter((node) => node.examples.length).length;
      if (!best || rank > best.rank) best = { layer, index, unit, graph, rank };
    }
  }
  assert.ok(best && best.rank > 250, 'the small run has a unit with two clusters, a graph and tried substitutes');
  return (rich = best);
}

const kTests = {
  async 'overview: facts, map that leads to neurons, charts'() {
    await open('small');
    const overview = await api('runs/small');
    assert.equal(await text('h1'), 'small');
    assert.match(await text('.facts'), new RegExp(overview.units.toLocaleString('en')));
    const squares = page.locator('.unitmap a');
    assert.equal(await squares.count(), (await api('runs/small/layers/0')).index.length);
    await page.getByText('layer 2', { exact: true }).click();
    await page.waitForFunction(() => document.querySelector('.unitmap')?.getAttribute('aria-label')?.startsWith('layer 2'));
    assert.match(page.url(), /layer=2/);
    await page.getByText('Firing rate').click();
    await squares.first().focus();
    await page.keyboard.press('ArrowRight');
    assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /^2:1, /);
    assert.equal(await page.locator('.chart canvas').count(), 2);
    const scores = overview.scores.filter((row) => row.set === 'held_out' && row.method === 'n2g');
    await page.getByText('As a table').click();
    assert.match(await text('details table tbody tr'), new RegExp(number(scores[0].f1)));
    await squares.nth(3).click();
    await page.waitForSelector('h1:has-text("Neuron 2:3")');
  },

  async 'neuron: scores, examples, shading, values on hover, expanding'() {
    const { layer, index, unit } = await richUnit();
    await open(`small/neuron/${layer}/${index}`);
    assert.equal(await text('h1'), `Neuron ${layer}:${index}`);
    for (const score of unit.scores.filter((row) => row.set === 'held_out')) {
      const row = page.locator('table.scores', { hasText: score.set_title }).locator('tr', { has: page.locator(`th:text-is("${score.title}")`) });
      assert.equal((await row.innerText()).replace(/\s+/g, ' '), `${score.title} ${number(score.precision)} ${number(score.recall)} ${number(score.f1)}`);
    }
    const examples = await api(`runs/small/neurons/${layer}/${index}/examples?kind=top&limit=10`);
    assert.equal(await page.locator('.example').count(), examples.examples.length);
    const first = examples.examples[0], shown = page.locator('.example').first();
    assert.equal(await shown.locator('.value').innerText(), amount(first.activation));
    const pivot = shown.locator('.pivot').first();
    assert.equal(await pivot.getAttribute('data-v'), `activation ${amount(first.activations[first.pivot])}` + (first.importances?.[first.pivot] != null ? ` · importance ${number(first.importances[first.pivot])}` : ''));
    await pivot.hover();
    assert.match(await pivot.evaluate((element) => getComputedStyle(element, '::after').content), /activation/);
    const ground = () => pivot.evaluate((element) => getComputedStyle(element).backgroundColor);
    const red = await ground();
    await page.getByText('Importance', { exact: true }).click();
    await page.waitForFunction(() => document.body.dataset.shade === 'importance');
    assert.notEqual(await ground(), red);
    assert.match(page.url(), /shade=importance/);
    const hidden = first.pivot > 20 || first.tokens.length - first.pivot > 11;
    assert.equal(await shown.locator('.more').count() > 0, hidden);
    if (hidden) {
      await shown.locator('.more').first().click();
      assert.equal(await shown.locator('.tokens').first().locator('.t').count(), first.tokens.length);
    }
    await shown.locator('.tokens').first().focus();
    await page.keyboard.press('ArrowRight');
    assert.match(await shown.locator('[role=status]').first().innerText(), /activation/);
  },

  async 'neuron: how an example was pruned and varied'() {
    const { layer, index, unit } = await richUnit();
    const { examples } = await api(`runs/small/neurons/${layer}/${index}/examples?kind=${unit.training_kind}`);
    let used, prompts;
    for (used of examples) {
      ({ prompts } = await api(`runs/small/neurons/${layer}/${index}/prompts/${used.rank}`));
      if (prompts?.some((one) => one.substitution)) break;
    }
    await open(`small/neuron/${layer}/${index}`);
    const shown = page.locator('.example').nth(examples.indexOf(used));
    await shown.getByText('How it was pruned').click();
    await shown.locator('.variations tbody tr').first().waitFor();
    assert.equal(await shown.locator('.variations tbody tr').count(), prompts.length);
    assert.equal(await shown.locator('.variations tbody tr.rejected').count(), prompts.filter((one) => !one.kept).length);
    const changed = prompts.find((one) => one.substitution);
    const row = (await shown.locator('.variations tbody tr').nth(prompts.indexOf(changed)).innerText()).replaceAll(/\s+/g, ' ');
    assert.ok(row.includes(`→ ${changed.substitution.substitute.trim()} ${number(changed.ratio)} ${changed.kept ? 'yes' : 'no'}`), row);
  },

  async 'neuron: hovering a node traces, clicking it filters, zooming and dragging move the picture'() {
    const { layer, index, graph } = await richUnit();
    await open(`small/neuron/${layer}/${index}`);
    const place = graph.nodes.findIndex((node) => node.examples.length > 0);
    const node = page.locator(`.canvas .node[data-node="${place}"]`), wanted = graph.nodes[place];
    await node.hover();
    assert.ok(await page.locator('.canvas svg.tracing').count());
    assert.match(await text('.hint'), new RegExp(`${wanted.activating ? 'activation' : 'importance'} ${number(wanted.activating ? wanted.activation : wanted.importance)}`));
    await node.click();
    await page.waitForFunction((count) => document.querySelectorAll('.example').length === count, Math.min(10, wanted.examples.length));
    assert.match(page.url(), /node=/);
    assert.ok(await page.locator('.bar .chip').count());
    await page.reload();
    await page.waitForSelector('.canvas .node.chosen');
    const canvas = page.locator('.canvas'), drawn = () => page.locator('.canvas svg').evaluate((element) => element.getBoundingClientRect().width);
    const before = await drawn();
    for (let i = 0; i < 6; i++) await page.getByRole('button', { name: 'zoom in' }).click();
    assert.ok((await drawn()) > 3 * before);
    const scrolled = () => canvas.evaluate((element) => element.scrollLeft);
    await canvas.evaluate((element) => element.scrollTo(100, 0));
    const area = await canvas.boundingBox();
    await page.mouse.move(area.x + 75, area.y + area.height - 30);
    await page.mouse.down();
    await page.mouse.move(area.x + 15, area.y + area.height - 30, { steps: 4 });
    await page.mouse.up();
    assert.equal(await scrolled(), 160);
    await page.getByRole('button', { name: 'Fit' }).click();
    assert.ok(await canvas.evaluate((element) => element.scrollWidth <= element.clientWidth + 1 && element.scrollHeight <= element.clientHeight + 1));
    assert.equal(await text('.graph .words'), graph.words);
    await page.locator('.canvas .node.chosen').focus();
    await page.keyboard.press('Enter'); // the same node again: all examples
    await page.waitForFunction(() => !document.querySelector('.bar .chip'));
  },

  async 'neuron: clusters are tabs, similar features are links'() {
    const { layer, index, unit } = await richUnit();
    await open(`small/neuron/${layer}/${index}`);
    const tabs = page.getByRole('tab');
    assert.equal(await tabs.count(), unit.clusters.length + 1);
    await tabs.nth(1).click();
    await page.waitForSelector('.similar');
    const clusters = [...unit.clusters].sort((a, b) => b.members - a.members);
    const members = Math.min(10, clusters[0].members);
    await page.waitForFunction((count) => document.querySelectorAll('.example').length === count, members);
    assert.equal(await page.locator('.similar a').count(), clusters[0].similar.length);
    await tabs.nth(1).press('ArrowRight');
    await page.waitForFunction(() => document.querySelectorAll('[role=tab]')[2].getAttribute('aria-selected') === 'true');
    assert.match(page.url(), new RegExp(`cluster=${clusters[1].cluster}`));
  },

  async 'neuron: next, previous, random and back; keys n and p'() {
    const { layer, index, unit } = await richUnit();
    await open(`small/neuron/${layer}/${index}`);
    const other = unit.next ?? unit.previous, key = unit.next ? 'n' : 'p', back = unit.next ? 'p' : 'n';
    await page.keyboard.press(key);
    await page.waitForSelector(`h1:has-text("Neuron ${other.layer}:${other.index}")`);
    await page.keyboard.press(back);
    await page.waitForSelector(`h1:has-text("Neuron ${layer}:${index}")`);
    await page.getByRole('button', { name: 'Random' }).click();
    await page.waitForFunction((old) => location.hash !== old, `#/small/neuron/${layer}/${index}`).catch(() => undefined); // it may draw the same one
    await page.getByRole('button', { name: 'Back' }).click();
    await page.waitForSelector('h1:has-text("Neuron")');
  },

  async 'neuron without a graph: it is built now, with progress'() {
    const map = await api('runs/small/layers/2');
    let index = null; // one that fires on many texts: of one that does not, the graph is empty
    for (const [i, candidate] of map.index.entries()) {
      if (index !== null || map.has_graph[i]) continue;
      const { mean, maximum } = (await api(`runs/small/neurons/2/${candidate}`)).stats;
      if (maximum > 0.3 && mean > maximum / 100) index = candidate;
    }
    assert.notEqual(index, null, 'layer 2 has a neuron that fires and has no graph');
    await open(`small/neuron/2/${index}`);
    await page.getByRole('button', { name: 'Build it now' }).click();
    await page.waitForSelector('.canvas svg .node', { timeout: 120_000 });
  },

  async 'try it: typed text, measured beside predicted, strongest units; markup stays text'() {
    const { layer, index } = await richUnit();
    await open(`small/try?unit=${layer}:${index}`);
    await page.getByLabel('Text').fill('The king of the kind ' + kHostile);
    await page.waitForFunction(() => location.hash.includes('onerror'), undefined, { timeout: 30_000 });
    await page.waitForFunction(() => document.querySelector('.columns-of-tokens')?.textContent?.includes('king'), undefined, { timeout: 60_000 });
    const answer = await (await fetch(server.address + 'api/runs/small/try', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ text: 'The king of the kind ' + kHostile, unit: `${layer}:${index}` }) })).json();
    assert.equal(await page.locator('.column').count(), answer.tokens.length);
    assert.equal(await page.locator('.column .told').count(), answer.unit.predicted.length);
    const strongest = answer.top[0];
    assert.equal(await text('.top-units tbody a'), `${strongest.layer}:${strongest.index}`);
    assert.match(await text('.panel .tokens'), /<img src=x/);
    await page.getByRole('button', { name: 'Compare' }).first().click();
    await page.waitForSelector(`h2 a:text-is("${strongest.layer}:${strongest.index}")`);
  },

  async 'search: by token, by label; results as small graphs that lead to neurons'() {
    const { unit, graph } = await richUnit();
    const token = graph.nodes.find((node) => node.activating).text.replace(/^[ ·␣]+/, '');
    await open('small/search');
    await page.getByLabel('Fires on the tokens').fill(`"${token}"`);
    await page.waitForSelector('.card svg');
    const hits = (await api(`runs/small/search?activating=${encodeURIComponent(token)}`)).hits;
    assert.equal(await page.locator('.card').count(), hits.length);
    assert.equal(await text('.card a'), `${hits[0].layer}:${hits[0].index}`);
    assert.match(page.url(), /activating=/);
    await open('small/search?activating=zzzzqqq');
    assert.match(await text('main [role=status]'), /Nothing found/);
    await open(`small/search?label=${encodeURIComponent(unit.clusters[0].label)}`);
    await page.waitForSelector('.card');
    const cards = await page.locator('.card').allTextContents();
    assert.ok(cards.some((card) => card.includes(`${unit.layer}:${unit.index}`)), `no card of ${unit.layer}:${unit.index} among ${cards}`);
    await page.locator('.card a').first().click();
    await page.waitForSelector('h1:has-text("Neuron")');
  },

  async 'SAE: figures of the comparison'() {
    await open('small/sae');
    const rows = (await api('runs/small')).manifest.sae_evaluation.rows;
    assert.equal(await page.locator('table.scores tbody tr').count(), rows.length);
    const sae = rows.find((row) => row.l0 !== undefined);
    const shown = await page.locator('table.scores tr', { hasText: sae.name }).last().innerText();
    assert.match(shown, new RegExp(number(sae.l0, 1)));
    assert.match(shown, new RegExp(number(sae.mean_distance, 3)));
    assert.equal(await page.locator('.chart canvas').count(), 2);
  },

  async 'study: questions are answered with keys and the answers are saved'() {
    await open('small/study');
    await page.getByLabel(/Name/).fill('tester');
    await page.getByRole('button', { name: 'Start' }).click();
    await page.waitForSelector('.choice');
    await page.waitForSelector('.canvas svg');
    await page.keyboard.press('ArrowLeft');
    await page.waitForSelector('.after b');
    await page.keyboard.press('Enter');
    await page.waitForSelector('h1:has-text("Question 2 of 20")');
    await page.waitForSelector('.canvas svg');
    await page.locator('.choice').nth(1).click();
    await page.waitForSelector('.after b');
    const saved = readFileSync(join(run, 'study.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(saved.map((one) => [one.trial, one.choice, one.person]), [[0, 0, 'tester'], [1, 1, 'tester']]);
    assert.equal((await api('runs/small/study')).answers, 2);
  },

  async 'views that do not exist say so'() {
    await open('small/nowhere');
    assert.match(await text('.problem'), /no view/);
    await open('elsewhere');
    assert.match(await text('.problem'), /No run/);
    problems.length = 0;
    await open('small/neuron/77/0');
    assert.match(await text('.problem'), /77:0/);
    assert.ok(problems.every((problem) => problem.includes('404')), problems.join('\n'));
    problems.length = 0;
  },

  async 'phone width and dark: nothing sticks out, colours change, every control has a name'() {
    const { layer, index } = await richUnit();
    const views = ['small', `small/neuron/${layer}/${index}`, `small/neuron/${layer}/${index}?cluster=0`, `small/try?unit=${layer}:${index}`, 'small/search?activating=of', 'small/sae', 'small/study?seed=3', 'images', 'images/robustness?item=universal-linf', 'tiles', 'units', 'pictures?session=abcdefgh12'];
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    for (const view of views) {
      await open(view);
      const wide = await page.evaluate(() => [...document.querySelectorAll('main *')].filter((element) => {
        const scrolls = element.closest('.wide, .canvas, .manifest, svg, .unseen, .compare, .u-over, .u-wrap');
        return !scrolls && element.getBoundingClientRect().right > innerWidth + 1;
      }).map((element) => element.outerHTML.slice(0, 100)));
      assert.deepEqual(wide, [], `${view}: too wide for a phone`);
      const nameless = await page.evaluate(() => [...document.querySelectorAll('a, button, input, select, textarea, img, [role=button]')].filter((element) => {
        const labels = [...(element.labels ?? [])].map((label) => label.textContent).join('');
        const name = element.getAttribute('aria-label') ?? element.getAttribute('alt') ?? (labels || element.textContent || element.title);
        return element.closest('[aria-hidden=true]') === null && !name.trim() && element.getAttribute('alt') === null;
      }).map((element) => element.outerHTML.slice(0, 120)));
      assert.deepEqual(nameless, [], view);
    }
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: 'light' });
    assert.notEqual(dark, await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    await page.setViewportSize({ width: 1280, height: 900 });
  },
};

Object.assign(kTests, tileTests({ get page() { return page; }, api, open, text, number, images, faces }));
let failed = 0;
try {
  const { chromium } = await loadPlaywright();
  const start = Date.now();
  makeRuns();
  console.log(`runs made in ${((Date.now() - start) / 1000).toFixed(1)} s`);
  server = await serve(program, [run, images, faces, tiles, units], page_folder);
  browser = await chromium.launch({ executablePath, args: kChromiumFlags });
  page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.setDefaultTimeout(30_000);
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(`${message.type()}: ${message.text()} ${message.location().url}`));
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  for (const [name, test] of Object.entries(kTests)) {
    if (!name.includes(process.env.ONLY ?? '')) continue;
    problems.length = 0;
    try {
      await test();
      assert.equal(await page.evaluate(() => window.hacked), undefined, 'markup in a text was run');
      assert.deepEqual(problems, [], 'the console');
      console.log(`ok    ${name}`);
    } catch (error) {
      ++failed;
      console.log(`FAIL  ${name}\n      ${String(error.stack ?? error).replaceAll('\n', '\n      ')}\n      at ${page.url()}`);
      if (process.env.KEEP_PICTURES) await page.screenshot({ path: join(process.env.KEEP_PICTURES, `failed-${failed}.png`), fullPage: true }).catch(() => undefined);
    }
  }
} finally {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(failed ? `${failed} failed` : 'all passed');
process.exit(failed ? 1 : 0);

// What the page shows of tiles: robustness evaluations, image units, the study of pictures. Part of browser_test.mjs, whose
// runs, server and helpers are `world`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export function tileTests(world) {
  const { api, open, text, number, images, faces } = world;
  return {
    async 'robustness: table, curves, tiles up close, universal perturbation'() {
      const { page } = world;
      const report = JSON.parse(readFileSync(join(images, 'report.json'), 'utf8'));
      await open('images');
      assert.equal(await text('h1'), report.title);
      assert.equal(await page.locator('.evaluation tbody tr').count(), report.items.length + 2);
      assert.match(await page.locator('.evaluation tbody tr').nth(1).innerText(), /0\.98/);
      assert.equal(await page.locator('.tile').count(), report.items[0].gallery.length);
      assert.equal(await text('.change'), '93 % non_idc becomes idc (2.00 % non_idc is left)');
      await page.waitForFunction(() => [...document.querySelectorAll('.compare img, .maps img')].every((one) => one.complete && one.naturalWidth === 50));
      await page.getByLabel(/border between/).fill('20');
      assert.equal(await page.locator('.compare').evaluate((element) => element.style.getPropertyValue('--at')), '20%');
      await page.locator('.tile').nth(2).click();
      assert.match(page.url(), /tile=2/);
      await page.locator('.tile').nth(2).press('ArrowRight');
      assert.match(page.url(), /tile=3/);
      await page.getByText('Not fooled 1').click();
      await page.waitForFunction(() => document.querySelectorAll('.tile').length === 1);
      assert.match(await text('.details'), /51 of 52/);
      await page.getByRole('link', { name: 'Universal, largest change' }).click();
      await page.waitForSelector('.sheet img');
      assert.match(await text('.item'), /shuffled/);
    },

    async 'robustness: another strength is evaluated now, or cancelled'() {
      const { page } = world;
      await open('tiles');
      const form = page.getByLabel('evaluate now', { exact: true });
      await form.getByLabel('what is done to the tiles').selectOption('pgd');
      await form.getByRole('slider').fill('0.75'); // of the usual two grey levels
      assert.equal(await form.locator('output').innerText(), '1.5');
      await form.getByRole('button', { name: 'Evaluate' }).click();
      await page.waitForSelector('.tried tr.chosen', { timeout: 120_000 });
      assert.match(page.url(), /item=pgd-at-1.5/);
      const tried = (await api('runs/tiles/robustness')).tried[0];
      assert.match(await text('.tried tr.chosen'), new RegExp(`PGD, largest change \\(1.5\\)[^]*${number(tried.metrics.accuracy.value)}`));
      assert.equal(await text('.item h2'), 'PGD, largest change (1.5)');
      await page.waitForFunction(() => [...document.querySelectorAll('.compare img')].filter((one) => one.complete && one.naturalWidth === 96).length === 2);
      await form.getByLabel('what is done to the tiles').selectOption('ensemble');
      await form.getByRole('button', { name: 'Evaluate' }).click();
      await form.getByRole('button', { name: 'Cancel' }).click();
      await page.waitForSelector('text=Cancelled.', { timeout: 60_000 });
      assert.equal((await api('runs/tiles/robustness')).tried.length, 1);
    },

    async 'image units: patches of each cluster'() {
      const { page } = world;
      const { layers } = await api('runs/units');
      let wanted = null;
      for (const { layer } of layers) {
        for (const index of (await api(`runs/units/layers/${layer}`)).index) {
          const unit = await api(`runs/units/neurons/${layer}/${index}`);
          if (!wanted && unit.clusters.length) wanted = unit;
        }
      }
      assert.ok(wanted, 'some unit has a cluster');
      await open(`units/neuron/${wanted.layer}/${wanted.index}`);
      assert.equal(await text('h1'), `Unit ${wanted.layer}:${wanted.index}`);
      const drawn = () => page.waitForFunction((count) => [...document.querySelectorAll('.sheet img')].filter((one) => one.complete && one.naturalWidth > 96).length === count, Math.min(8, wanted.clusters.length));
      await drawn();
      await page.getByRole('tab').nth(1).click();
      await page.waitForFunction(() => [...document.querySelectorAll('.sheet img')].filter((one) => one.complete && one.naturalWidth > 96).length === 1);
    },

    async 'study of pictures: answers with keys, saved as the scorer reads them'() {
      const { page } = world;
      await open('pictures');
      await page.getByLabel(/Name/).fill('tester');
      await page.getByRole('button', { name: 'Start' }).click();
      const shown = () => page.waitForFunction(() => [...document.querySelectorAll('.pictures img')].filter((one) => one.complete && one.naturalWidth === 50).length === 2);
      await shown();
      await page.keyboard.press('ArrowRight');
      await page.waitForSelector('h1:has-text("Pair 2 of 2")');
      await shown();
      await page.locator('.choice').first().click();
      await page.waitForSelector('text=all 2 answers are saved');
      const session = new URLSearchParams(page.url().split('?')[1]).get('session');
      const lines = readFileSync(join(faces, 'answers', `study-12ab34cd-${session}.csv`), 'utf8').trim().split('\n').map((line) => line.split(','));
      assert.deepEqual(lines.slice(1).map((one) => [one[1], one[2], one[4]]), [['1', '2', 'tester'], ['2', '1', 'tester']]);
    },
  };
}

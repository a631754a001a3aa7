// A robustness run in the form of docs/robustness-report.md with made-up figures, for the tests of the page only: what an
// evaluation really finds is tested where evaluations are made.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';

const kSize = 50;

// RGB bytes as a PNG file.
export function png(width, height, rgb) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]), out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++) Buffer.from(rgb.buffer, y * width * 3, width * 3).copy(rows, y * (width * 3 + 1) + 1);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

function crc(bytes) {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let k = 0; k < 8; k++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return ~value >>> 0;
}

// Deterministic numbers in [0, 1).
function random(seed) {
  let state = seed * 2654435761 + 1;
  return () => ((state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0), state / 2 ** 32);
}

function picture(paint) {
  const rgb = new Uint8Array(kSize * kSize * 3);
  for (let y = 0; y < kSize; y++) for (let x = 0; x < kSize; x++) rgb.set(paint(x, y).map((value) => Math.max(0, Math.min(255, Math.round(value)))), (y * kSize + x) * 3);
  return png(kSize, kSize, rgb);
}

// Pink ground with violet spots, a perturbed copy, the difference and two maps.
function tile(seed) {
  const next = random(seed);
  const spots = Array.from({ length: 7 }, () => [next() * kSize, next() * kSize, 3 + next() * 4]);
  const dark = (x, y) => Math.max(...spots.map(([cx, cy, r]) => Math.max(0, Math.min(1, r + 1 - Math.hypot(x - cx, y - cy)))));
  const ground = (x, y) => { const d = dark(x, y), wave = 10 * Math.sin(x / 5 + seed) * Math.cos(y / 7); return [228 - 120 * d + wave, 170 - 90 * d + wave, 205 - 60 * d + wave]; };
  const noise = Array.from({ length: kSize * kSize }, () => (next() < 0.5 ? -2 : 2));
  const grey = (value) => [255 * value, 255 * value, 255 * value];
  return {
    original: picture(ground),
    perturbed: picture((x, y) => ground(x, y).map((value) => value + noise[y * kSize + x])),
    difference: picture((x, y) => grey(0.5 + noise[y * kSize + x] / 8)),
    'saliency-before': picture((x, y) => grey(dark(x, y))),
    'saliency-after': picture((x, y) => grey(dark(y, x) * 0.7)),
  };
}

const interval = (value, spread = 0.05) => ({ value, low: Math.max(0, value - spread), high: Math.min(1, value + spread) });
const summary = (mean) => ({ mean, median: mean, p10: mean * 0.7, p90: mean * 1.3, max: mean * 1.6 });
const metrics = (accuracy, fooled) => ({ tiles: 60, accuracy: interval(accuracy), auc: interval(Math.min(1, accuracy + 0.06)), sensitivity: interval(accuracy - 0.03), specificity: interval(accuracy + 0.03), ece: interval(0.06, 0.02), brier: interval(0.1, 0.02),
  ...(fooled === undefined ? {} : { fooling_rate: interval(fooled), flipped: Math.round(52 * fooled), correct: 52, wrong_confidence: 0.93 }) });
const curve = (x, values) => ({ x, points: values.map(([strength, accuracy]) => ({ strength, accuracy, fooling_rate: 1 - accuracy / 0.867, auc: accuracy, rmse_grey: strength * 0.9 })) });

export function writeRobustnessRun(folder, hostile = '') {
  mkdirSync(join(folder, 'gallery'), { recursive: true });
  const rows = [];
  for (let i = 0; i < 8; i++) {
    const pictures = {};
    for (const [name, bytes] of Object.entries(tile(i + 1))) {
      pictures[name.replace('-', '_')] = `gallery/pgd-linf-${i}-${name}.png`;
      writeFileSync(join(folder, `gallery/pgd-linf-${i}-${name}.png`), bytes);
    }
    const fooled = i !== 5;
    rows.push({ tile: `test/${i % 2}/tile_${i}${hostile}.png`, label: i % 2, answer_before: i % 2, answer_after: fooled ? 1 - (i % 2) : i % 2, score_before: 0.931 - i / 100, score_after: fooled ? 0.02 : 0.81,
      fooled, rmse_grey: 1.6 + i / 50, linf_grey: 2, amplification: 32, saliency: 'gradient', pictures });
  }
  writeFileSync(join(folder, 'gallery/universal.png'), tile(99).difference);
  const attack = (name, title, kind, budget, values) => ({ name, title, kind, threat: { space: 'pixels', norm: 'linf', budget, grey_levels: 2, objective: 'margin', optimizer: 'sign', steps: 40, draws: 0, restarts: 1, knowledge: 'white box' }, flags: [], ...values });
  const report = {
    schema: 'assay.robustness', version: 1, title: 'A made-up evaluation', assay: '0.1.0', created_at: '2026-01-01T00:00:00Z', seconds: 12, compat: '', intended_use: 'For the tests of the page.', limits: ['The figures are made up.'],
    model: { name: 'made-up-classifier', file: 'none.pt', hash: '0', classes: ['non_idc', 'idc'], positive_class: 1, declared_accuracy: 0.87, probabilities: false },
    data: { name: 'tiles', hash: '0', split: 'test', tiles: 60, per_class: [30, 30], patients: 4, clusters: 'patient', height: kSize, width: kSize, left_out: 0, converted: 0, problems: {} },
    seeds: { seed: 0 }, options: {}, threshold: { value: 0.5, chosen_on: 'clean scores of this split', rule: 'largest sensitivity + specificity' },
    clean: metrics(0.867), worst_case: { metrics: metrics(0.01, 0.99), items: ['pgd-linf', 'stain', 'universal-linf'] },
    items: [
      attack('pgd-linf', 'PGD, largest change', 'attack', '2/255', {
        metrics: metrics(0.02, 0.977), stored: { png: 0.97, jpeg90: 0.41, jpeg75: 0.2 }, curve: curve('budget, grey levels', [[0, 0.867], [0.5, 0.5], [1, 0.2], [2, 0.02]]),
        energy: { rmse_grey: summary(1.7), ssim: summary(0.981) }, gallery: rows,
        minimal_energy: { norm: 'linf', unit: 'grey levels', correct: 52, found: 51, values: Array.from({ length: 51 }, (_, i) => 0.25 + (i * i) / 1400), median: 0.7, p10: 0.3, p90: 1.7 },
        constructs: [['nuclei', 0.3, 0.36], ['border', 0.15, 0.21], ['stroma', 0.35, 0.33], ['background', 0.2, 0.1]].map(([construct, area_share, energy_share]) => ({ construct, area_share, energy_share, density_ratio: energy_share / area_share })),
        by_nuclei: { count: [[0, 4, 0.9], [4, 8, 0.95], [8, 13, 1]].map(([from, to, fooling_rate]) => ({ from, to, images: 17, fooling_rate })), area: [] },
        confined: [{ construct: 'nuclei', area_share: 0.3, fooling_rate: 0.7, flipped: 36, correct: 52, rmse_grey: 0.9 }, { construct: 'stroma', area_share: 0.35, fooling_rate: 0.5, flipped: 26, correct: 52, rmse_grey: 1 }],
        saliency: [{ method: 'gradient', spearman: summary(0.3), ssim: summary(0.4), top_k: summary(0.25), completeness_error: null }, { method: 'integrated_gradients', spearman: summary(0.45), ssim: summary(0.5), top_k: summary(0.35), completeness_error: 0.004 }],
      }),
      { name: 'stain', title: 'Stain', kind: 'transform', threat: { space: 'stain', norm: null, budget: 'range of the transform', grey_levels: null, objective: 'log-probability', optimizer: 'rmsprop', steps: 20, draws: 0, restarts: 1, knowledge: 'white box' },
        metrics: metrics(0.25, 0.71), stored: { png: 0.71, jpeg90: 0.7, jpeg75: 0.66 }, curve: curve('share of the range', [[0, 0.867], [0.25, 0.8], [0.5, 0.6], [1, 0.25]]), energy: { rmse_grey: summary(14.2), ssim: summary(0.93) }, flags: [] },
      attack('universal-linf', 'Universal, largest change', 'universal', '4/255', { metrics: metrics(0.14, 0.84), curve: curve('budget, grey levels', [[0, 0.867], [1, 0.7], [2, 0.4], [4, 0.14]]), energy: { rmse_grey: summary(3.9), ssim: summary(0.94) },
        universal: { picture: 'gallery/universal.png', amplification: 16, controls: [{ name: 'random', fooling_rate: 0.02 }, { name: 'shuffled', fooling_rate: 0.04 }] } }),
    ],
    flags: [{ item: 'pgd-linf', text: '3 images: the loss never rose' }],
  };
  writeFileSync(join(folder, 'report.json'), JSON.stringify(report));
}

// A study of pictures in the form of `assay robust study make`, without its key: pairs of which one picture is altered.
export function writePairs(folder, count) {
  mkdirSync(join(folder, 'pairs'), { recursive: true });
  writeFileSync(join(folder, 'study.html'), '<p>Study study-12ab34cd</p>');
  for (let i = 1; i <= count; i++) {
    const pictures = tile(i), name = String(i).padStart(4, '0');
    writeFileSync(join(folder, `pairs/${name}-1.png`), pictures.original);
    writeFileSync(join(folder, `pairs/${name}-2.png`), pictures.perturbed);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeRobustnessRun(process.argv[2]);

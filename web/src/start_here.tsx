// Three things to look at first, each with a taste of what is there: a neuron, one with several reasons to fire, a fooled tile.
import { at, query as search, useAsk, type Neuron, type Overview, type Picture, type RunInfo, type UnitRef } from './api';
import { largestFirst } from './cluster_cards';
import { percent } from './parts';
import { pictureAt, type Report } from './report';
import { href, neuronHref } from './route';

function OneNeuron({ run, unit }: { run: RunInfo; unit: UnitRef }) {
  const picture = useAsk<Picture>(at('runs', run.name, 'neurons', unit.layer, unit.index, 'graph') + search({ nodes: 10, width: 330 }));
  return (
    <a class="start" href={neuronHref(run.name, unit)}>
      <h3>One {run.unit_name}: {unit.layer}:{unit.index}</h3>
      <p>{picture.data?.words ?? 'Its graph says when it fires.'}</p>
      <span class="quiet">The graph, how well it predicts, and the texts behind it</span>
    </a>
  );
}

function SeveralReasons({ run, unit }: { run: RunInfo; unit: UnitRef }) {
  const neuron = useAsk<Neuron>(at('runs', run.name, 'neurons', unit.layer, unit.index));
  const clusters = largestFirst(neuron.data?.clusters ?? []);
  return (
    <a class="start" href={neuronHref(run.name, unit)}>
      <h3>A {run.unit_name} with several reasons: {unit.layer}:{unit.index}</h3>
      {clusters.length ? <ul>{clusters.slice(0, 3).map((one) => <li key={one.cluster}>{one.label || `cluster ${one.cluster + 1}`}</li>)}</ul> : <p>It fires for different reasons.</p>}
      <span class="quiet">Its examples, sorted by what makes it fire</span>
    </a>
  );
}

// The tile that was answered most firmly before, of the first item that fooled any.
function FooledTile({ run }: { run: RunInfo }) {
  const report = useAsk<Report>(at('runs', run.name, 'robustness')).data;
  const item = report?.items.find((one) => one.gallery?.some((row) => row.fooled && row.pictures.original && row.pictures.perturbed));
  const rows = item?.gallery?.filter((row) => row.fooled && row.pictures.original && row.pictures.perturbed) ?? [];
  const row = rows.length ? rows.reduce((best, one) => (one.score_before > best.score_before ? one : best)) : undefined;
  const name = (index: number) => report?.model.classes[index] ?? `class ${index}`;
  const address = item && row ? href([run.name, 'robustness'], { item: item.name, tile: item.gallery!.indexOf(row) }) : href([run.name, 'robustness']);
  return (
    <a class="start" href={address}>
      <h3>{row ? 'A fooled tile' : 'Robustness'}</h3>
      {row && <div class="before-after"><figure><img src={pictureAt(run.name, row.pictures.original!)} alt="" /><figcaption>{percent(row.score_before)} {name(row.answer_before)}</figcaption></figure>
        <span aria-hidden="true">→</span>
        <figure><img src={pictureAt(run.name, row.pictures.perturbed!)} alt="" /><figcaption>{name(row.answer_after)}</figcaption></figure></div>}
      <span class="quiet">How little it takes to change the answer of a tile classifier</span>
    </a>
  );
}

export function StartHere({ run, runs, overview }: { run: RunInfo; runs: RunInfo[]; overview: Overview }) {
  const several = overview.highlights?.polysemantic ?? [];
  const clear = overview.highlights?.best[0], mixed = several.find((one) => one.clusters > 1 && one.clusters < 7) ?? several[0]; // few enough to see at once
  const tiles = runs.find((one) => one.robustness);
  if (!clear && !mixed && !tiles) return null;
  return (
    <section><h2>Start here</h2><div class="starts">
      {clear && <OneNeuron run={run} unit={clear} />}
      {mixed && <SeveralReasons run={run} unit={mixed} />}
      {tiles && <FooledTile run={tiles} />}
    </div></section>
  );
}

// One unit: graph, scores, distribution, trajectories, clusters, and the examples that a reader can narrow down.
import { useEffect, useState } from 'preact/hooks';
import { at, query as search, ask, useAsk, type Neuron, type Picture, type RunInfo, type UnitRef } from './api';
import { Chart } from './charts';
import { ClusterCards, largestFirst } from './cluster_cards';
import { Examples } from './examples';
import { GraphView } from './graph_view';
import { JobProgress, useJob } from './job';
import { amount, count, Facts, Loaded, number, percent, plural } from './parts';
import { go, href, neuronHref } from './route';

function Scores({ neuron }: { neuron: Neuron }) {
  const sets = [...new Map(neuron.scores.map((row) => [row.set, row.set_title]))];
  if (!sets.length) return <p class="quiet">Not scored yet.</p>;
  return <div class="columns">{sets.map(([set, title]) => {
    const order = (method: string) => ['n2g', 'token_lookup'].indexOf(method) + 1 || 3;
    const rows = neuron.scores.filter((row) => row.set === set).sort((a, b) => order(a.method) - order(b.method));
    const best = Math.max(...rows.map((row) => row.f1 ?? -1));
    return <table class="scores" key={set}>
      <caption>{title}</caption>
      <thead><tr><th scope="col">predictor</th><th scope="col">precision</th><th scope="col">recall</th><th scope="col">F1</th></tr></thead>
      <tbody>{rows.map((row) => <tr><th scope="row">{row.title}</th><td>{number(row.precision)}</td><td>{number(row.recall)}</td>
        <td class="meter" style={{ '--share': row.f1 ?? 0 }}><i aria-hidden="true" />{row.f1 !== null && row.f1 === best ? <b>{number(row.f1)}</b> : number(row.f1)}</td></tr>)}</tbody>
      {rows[0].excluded && <tfoot><tr><td colSpan={4} class="quiet">left out of averages: {rows[0].excluded}</td></tr></tfoot>}
    </table>;
  })}</div>;
}

// Asks the server to build the graph now, shows how far it is, and can stop it.
function GraphJob({ run, offered, unit, onDone }: { run: string; offered: boolean; unit: UnitRef; onDone: () => void }) {
  const followed = useJob(onDone);
  const start = () => followed.start({ kind: 'graph', run, title: `graph ${unit.layer}:${unit.index}`, parameters: { layer: unit.layer, index: unit.index } });
  return (
    <div class="panel">
      <p>This unit has no graph yet.</p>
      {!offered ? <p class="quiet">It cannot be built here: <code>assay neurons graph</code> says what the run needs first.</p>
        : !followed.active && <button type="button" class="main" onClick={start}>Build it now</button>}
      <JobProgress of={followed} />
    </div>
  );
}

function Distribution({ neuron }: { neuron: Neuron }) {
  const { histogram, trajectories } = neuron;
  return <div class="pair">
    {histogram && <Chart height={190} title={`Activations on the tokens of the ${histogram.source} (log₁₀ of 1 + count)`} xLabel="activation" yLabel="tokens, log₁₀"
      x={histogram.counts.map((_, i) => Number((histogram.low + (i + 0.5) * histogram.width).toPrecision(4)))}
      lines={[{ name: 'tokens', bars: true, values: histogram.counts.map((value) => Math.log10(1 + value)) }]} />}
    {trajectories && trajectories.mean.length > 1 && <Chart height={190} title="How much context restores the activation" xLabel="tokens of left context" yLabel="share of full activation"
      x={trajectories.mean.map((_, i) => i)}
      lines={[...trajectories.examples.slice(0, 20).map((line) => ({ name: `example ${line.example + 1}`, faint: true, values: trajectories.mean.map((_, i) => line.values[i] ?? null) })),
        { name: 'mean', values: trajectories.mean }]} />}
  </div>;
}

function Clusters({ neuron, images, cluster, onPick }: { neuron: Neuron; images: boolean; cluster: number | null; onPick: (cluster: number | null) => void }) {
  const chosen = neuron.clusters.find((one) => one.cluster === cluster);
  const measures = neuron.measures;
  if (!neuron.clusters.length) return null;
  const walk = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    const tabs = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[role=tab]')];
    const next = tabs[(tabs.indexOf(document.activeElement as HTMLElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  };
  return (
    <section>
      <h2>Feature clusters</h2>
      <p class="quiet">{plural(neuron.clusters.length, 'reason')} to fire, from the input directions of {plural(Number(measures?.examples ?? 0), 'example')} · polysemanticity {number(measures?.polysemanticity)} · mean distance {number(measures?.mean_distance)} · stability {number(measures?.stability)}</p>
      <div class="tabs" role="tablist" aria-label="feature clusters" onKeyDown={walk}>
        <button type="button" role="tab" aria-selected={cluster === null} tabIndex={cluster === null ? 0 : -1} onClick={() => onPick(null)}>All</button>
        {largestFirst(neuron.clusters).slice(0, 40).map((one) => (
          <button key={one.cluster} type="button" role="tab" aria-selected={one.cluster === cluster} tabIndex={one.cluster === cluster ? 0 : -1} onClick={() => onPick(one.cluster)}>
            {one.label || `cluster ${one.cluster + 1}`} <small>{one.members}</small></button>
        ))}
      </div>
      {cluster === null && !images && <ClusterCards neuron={neuron} onPick={onPick} />}
      {chosen && <div class="similar"><h3>Similar features</h3>{chosen.similar.length ? <p class="links">{chosen.similar.map((other) => (
        <a class="chip" href={neuronHref(neuron.run, other, { cluster: other.cluster })}>{other.layer}:{other.index} {other.label} <small>{number(other.similarity)}</small></a>
      ))}</p> : <p class="quiet">None found (<code>assay neurons similar --by embedding</code> looks for them).</p>}</div>}
    </section>
  );
}

function SimilarUnits({ run, unit }: { run: string; unit: UnitRef }) {
  const similar = useAsk<{ similar: (UnitRef & { activating_overlap: number; context_overlap: number })[] }>(at('runs', run, 'neurons', unit.layer, unit.index, 'similar'));
  if (!similar.data?.similar.length) return null;
  return <section><h2>Similar graphs</h2><p class="links">{similar.data.similar.map((other) => (
    <a class="chip" href={neuronHref(run, other)}>{other.layer}:{other.index} <small>{percent((other.activating_overlap + other.context_overlap) / 2)} shared</small></a>
  ))}</p></section>;
}

function Walk({ run, neuron }: { run: RunInfo; neuron: Neuron }) {
  const random = () => ask<UnitRef>(at('runs', run.name, 'random') + `?seed=${Math.floor(Math.random() * 1e9)}`).then((unit) => go(neuronHref(run.name, unit)));
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if ((event.target as Element).closest('input,textarea,select,.tokens,[role=tab],.canvas') || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'n' && neuron.next) go(neuronHref(run.name, neuron.next));
      if (event.key === 'p' && neuron.previous) go(neuronHref(run.name, neuron.previous));
      if (event.key === 'r') random();
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, [neuron]);
  return <nav aria-label="units">
    <button type="button" onClick={() => history.back()}>Back</button>
    {neuron.previous && <a href={neuronHref(run.name, neuron.previous)} title="p">← {neuron.previous.layer}:{neuron.previous.index}</a>}
    {neuron.next && <a href={neuronHref(run.name, neuron.next)} title="n">{neuron.next.layer}:{neuron.next.index} →</a>}
    <button type="button" onClick={random} title="r">Random</button>
    {run.try && <a href={href([run.name, 'try'], { unit: `${neuron.layer}:${neuron.index}` })}>Try a text</a>}
  </nav>;
}

// Pixels that a graph has beside the page's margins.
const roomForGraph = () => Math.max(300, Math.min(1040, 100 * Math.floor((innerWidth - 60) / 100)));

const titles: Record<string, string> = { feature: 'Feature', unit: 'Unit' };

const kSheets = 8;

// The parts of tiles that an image unit fires on, cluster by cluster.
function Sheets({ run, neuron, cluster }: { run: RunInfo; neuron: Neuron; cluster: number | null }) {
  const shown = largestFirst(neuron.clusters).filter((one) => cluster === null || one.cluster === cluster);
  const path = at('runs', run.name, 'neurons', neuron.layer, neuron.index, 'sheet');
  return (
    <section><h2>What it sees where it fires most</h2>
      <p class="quiet">Each picture is the part of a tile that the unit looks at, grey what lies beyond the tile; clusters are its reasons to fire.</p>
      <div class="sheets">{shown.slice(0, kSheets).map((one) => <figure class="sheet" key={one.cluster}>
        <figcaption><b>{one.label || `cluster ${one.cluster + 1}`}</b> {plural(one.members, 'tile')}</figcaption>
        <img src={path + search({ cluster: one.cluster })} alt={`${plural(one.members, 'tile')} of the cluster ${one.label || one.cluster + 1}`} loading="lazy" /></figure>)}</div>
      {shown.length > kSheets && <p class="quiet">{plural(shown.length - kSheets, 'smaller cluster')} more, as tabs above.</p>}
    </section>
  );
}

export function NeuronView({ run, layer, index, query }: { run: RunInfo; layer: number; index: number; query: Record<string, string> }) {
  const base = at('runs', run.name, 'neurons', layer, index);
  const [again, setAgain] = useState(0);
  const cluster = query.cluster === undefined || query.cluster === '' ? null : Number(query.cluster);
  const node = query.node === undefined ? null : Number(query.node);
  const summary = useAsk<Neuron>(base, again);
  const drawnCluster = cluster !== null && summary.data?.clusters.find((one) => one.cluster === cluster)?.has_graph ? cluster : undefined;
  const picture = useAsk<Picture>(summary.data?.has_graph ? base + '/graph' + search({ cluster: drawnCluster, width: roomForGraph() }) : null, again);
  const set = (values: Record<string, string | number | undefined>) => go(neuronHref(run.name, { layer, index }, { ...query, ...values }), true);
  return (
    <Loaded of={summary} what={`${layer}:${index}`}>{(neuron) => {
      const held = neuron.scores.find((row) => row.set === 'held_out' && row.method === 'n2g' && !row.excluded);
      const lookup = Math.max(...neuron.scores.filter((row) => row.set === 'held_out' && row.method !== 'n2g').map((row) => row.f1 ?? 0));
      return <>
        <div class="top">
          <div><h1>{titles[run.unit_name ?? ''] ?? 'Neuron'} {layer}:{index}</h1><p class="quiet">{neuron.model} · {neuron.hook}</p></div>
          <Walk run={run} neuron={neuron} />
        </div>
        {neuron.faint && <p class="note">This {run.unit_name} hardly ever fires: its largest activation is below a hundredth of what others of its layer reach. What follows is about noise.</p>}
        {run.images ? null : neuron.has_graph ? <Loaded of={picture} what="the graph">{(data) => (
          <GraphView picture={data} chosen={node} onChoose={(chosen) => set({ node: chosen ?? undefined })} />
        )}</Loaded> : <GraphJob run={run.name} offered={run.jobs.includes('graph')} unit={{ layer, index }} onDone={() => setAgain(again + 1)} />}
        {neuron.stats && <section class="panel"><Facts of={[
          ['largest activation', amount(neuron.stats.maximum)], ['mean ± deviation', `${amount(neuron.stats.mean, 2)} ± ${amount(neuron.stats.deviation, 2)}`],
          [run.images ? 'above zero at' : 'fires on', percent(neuron.stats.firing_rate)], [run.images ? 'locations seen' : 'tokens seen', count(neuron.stats.tokens)],
          ...(held ? [['F1, held-out', number(held.f1)] as [string, string], ['best lookup', number(lookup)] as [string, string]] : []),
          ['polysemanticity', number(neuron.measures?.polysemanticity)]]} /></section>}
        <Clusters neuron={neuron} images={run.images} cluster={cluster} onPick={(value) => set({ cluster: value ?? undefined, node: undefined })} />
        {run.images && <Sheets run={run} neuron={neuron} cluster={cluster} />}
        {!run.images && <Examples run={run.name} neuron={neuron} cluster={cluster} query={query} set={set}
          node={node !== null && picture.data?.nodes[node] ? picture.data.nodes[node] : null} />}
        {neuron.has_graph && <section><h2>How well the graph predicts firing</h2><Scores neuron={neuron} /></section>}
        {(neuron.histogram || neuron.trajectories) && <section><h2>Distribution and context</h2><Distribution neuron={neuron} /></section>}
        {neuron.has_graph && <SimilarUnits run={run.name} unit={{ layer, index }} />}
      </>;
    }}</Loaded>
  );
}

// A run at a glance: what it is, how good its graphs are by layer, and a map of every unit that leads to each.
import { useMemo } from 'preact/hooks';
import { at, useAsk, type LayerMap, type Overview, type RunInfo } from './api';
import { Chart } from './charts';
import { count, Facts, Loaded, number, percent, plural, scaleStep, Toggle } from './parts';
import { go, href, neuronHref } from './route';
import { SmallGraph } from './small_graph';
import { StartHere } from './start_here';

// Mean F1 by layer of all neurons of a 6-layer SoLU model on the Pile: N2G, token lookup, 5-gram lookup (arXiv 2305.19911).
const kPaper: [string, number[]][] = [['N2G', [0.68, 0.65, 0.55, 0.45, 0.38, 0.37]], ['token lookup', [0.53, 0.44, 0.37, 0.3, 0.28, 0.27]], ['5-gram lookup', [0.17, 0.18, 0.17, 0.18, 0.18, 0.28]]];

const kSets: Record<string, string> = { held_out: 'held-out half', random_text: 'random text', second_text: 'second text' };

type Fact = [string, string];

// The model and the data, as cards: what they are called, how large they are, and which they are exactly.
function Cards({ overview }: { overview: Overview }) {
  const part = (name: string) => (overview.manifest?.[name] ?? {}) as Record<string, unknown>;
  const model = part('model'), text = part('text'), sequences = part('sequences'), tiles = part('tiles');
  const total = (overview.layers ?? []).reduce((sum, layer) => sum + layer.units, 0);
  const named = (path: unknown) => String(path).split('/').filter(Boolean).pop() ?? '';
  const counted = (rows: [string, unknown][]) => rows.filter((row): row is [string, number] => typeof row[1] === 'number').map(([name, value]): Fact => [name, count(value)]);
  const written = (rows: [string, unknown][]) => rows.filter((row): row is Fact => typeof row[1] === 'string' && row[1] !== '');
  const exactly = (value: unknown): [string, unknown] => ['XXH3', typeof value === 'string' ? value.slice(0, 12) : null];
  const ofModel = [...written([['name', overview.model], ['type', model.type]]), ...counted([['layers', overview.layers?.length], [`${overview.unit_name}s`, total]]),
    ...written([['read at', (overview.hook ?? '').replace('blocks.{}.', '')], exactly(model.hash)])];
  const ofData = overview.images
    ? [...written([['name', named(tiles.path)], ['split', tiles.split]]), ...counted([['tiles', tiles.tiles], ['height', tiles.height], ['width', tiles.width]]), ...written([exactly(tiles.hash)])]
    : [...written([['name', (Array.isArray(text.inputs) ? text.inputs : []).map(named).join(', ')]]), ...counted([['documents', text.documents], ['sequences', sequences.sequences], ['tokens', sequences.tokens], ['duplicates left out', text.duplicates]]), ...written([exactly(text.hash)])];
  return (
    <div class="pair cards">
      <section class="panel"><h3>Model</h3><Facts of={ofModel} /></section>
      {!!ofData.length && <section class="panel"><h3>{overview.images ? 'Tiles' : 'Text'}</h3><Facts of={ofData} /></section>}
    </div>
  );
}

function ScoresByLayer({ overview }: { overview: Overview }) {
  const rows = overview.scores ?? [];
  const set = ['held_out', 'random_text', 'second_text'].find((name) => rows.some((row) => row.set === name));
  if (!set) return <p class="quiet">No scores yet: <code>assay neurons score --run {overview.name}</code></p>;
  const here = rows.filter((row) => row.set === set);
  const layers = [...new Set(here.map((row) => row.layer))];
  const order = (method: string) => ['n2g', 'token_lookup'].indexOf(method) + 1 || 3;
  const methods = [...new Map(here.map((row) => [row.method, row.title]))].sort((a, b) => order(a[0]) - order(b[0]) || a[0].localeCompare(b[0]));
  const drawn = methods.filter(([method]) => order(method) < 3 || method === methods[methods.length - 1][0]); // the rest is in the table
  const papers = set === 'held_out' && overview.layers?.length === kPaper[0][1].length ? kPaper : [];
  const value = (layer: number, method: string) => here.find((row) => row.layer === layer && row.method === method);
  return (
    <>
      <Chart title={`Mean F1 by layer, ${kSets[set]}`} x={layers} xLabel="layer" yLabel="F1" high={1}
        lines={[...drawn.map(([method, name]) => ({ name, values: layers.map((layer) => value(layer, method)?.f1 ?? null) })),
          ...papers.slice(0, 1).map(([name, values]) => ({ name: `${name}, the paper's model`, values: layers.map((layer) => values[layer] ?? null) }))]} />
      <details>
        <summary>As a table, with precision and recall of the graphs{papers.length ? ' and the paper\'s figures' : ''}</summary>
        <div class="wide"><table class="scores">
          <thead><tr><th scope="col">layer</th>{methods.map(([, name]) => <th scope="col">{name}</th>)}{papers.map(([name]) => <th scope="col" class="quiet">paper:<br />{name}</th>)}<th scope="col">precision</th><th scope="col">recall</th><th scope="col">neurons</th><th scope="col">left out</th></tr></thead>
          <tbody>{layers.map((layer) => {
            const graph = value(layer, 'n2g');
            return <tr><th scope="row">{layer}</th>{methods.map(([method]) => <td>{number(value(layer, method)?.f1)}</td>)}
              {papers.map(([name, values]) => <td key={name} class="quiet">{number(values[layer])}</td>)}
              <td>{number(graph?.precision)}</td><td>{number(graph?.recall)}</td><td>{graph?.units ?? '–'}</td><td>{graph?.excluded ?? '–'}</td></tr>;
          })}</tbody>
        </table></div>
        <p class="quiet">F1 of token firing at 0.5 of the neuron's maximum; units that never fire in the set are left out, as in the paper (arXiv 2305.19911).{papers.length ? ' Its figures are of all neurons of another model with as many layers, trained on other text.' : ''}</p>
      </details>
    </>
  );
}

function Polysemanticity({ overview }: { overview: Overview }) {
  const rows = overview.polysemanticity ?? [];
  if (!rows.length) return null;
  return <Chart title="Mean polysemanticity by layer" x={rows.map((row) => row.layer)} xLabel="layer" yLabel="polysemanticity"
    lines={[{ name: 'polysemanticity', values: rows.map((row) => row.polysemanticity) }]} />;
}

const kColours = [['f1', 'F1'], ['polysemanticity', 'Polysemanticity'], ['firing_rate', 'Firing rate']] as const;
type Colour = (typeof kColours)[number][0];

function UnitMap({ run, map, colour }: { run: RunInfo; map: LayerMap; colour: Colour }) {
  const values = map[colour];
  const top = useMemo(() => (colour === 'f1' ? 1 : Math.max(1e-9, ...values.map((value) => value ?? 0))), [map, colour]);
  const many = map.index.length, square = many > 3000 ? 9 : many > 1200 ? 13 : many > 400 ? 18 : 25;
  // Rates differ by powers of ten: their square root spreads them.
  const share = (value: number) => (colour === 'firing_rate' ? Math.sqrt(value / top) : value / top);
  const move = (event: KeyboardEvent) => {
    const columns = getComputedStyle(event.currentTarget as HTMLElement).gridTemplateColumns.split(' ').length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const links = [...(event.currentTarget as HTMLElement).querySelectorAll('a')];
    const now = links.indexOf(document.activeElement as HTMLAnchorElement);
    if (!step || now < 0) return;
    event.preventDefault();
    links[Math.min(Math.max(now + step, 0), links.length - 1)].focus();
  };
  return (
    <>
      <div class="unitmap" style={{ '--square': `${square}px` }} onKeyDown={move} role="group" aria-label={`layer ${map.layer}, ${kColours.find(([key]) => key === colour)![1]}`}>
        {map.index.map((index, i) => {
          const value = values[i];
          const name = `${map.layer}:${index}, ${colour === 'firing_rate' ? percent(value) : value === null ? 'no value' : number(value)}${map.has_graph[i] ? '' : ', no graph'}`;
          return <a key={index} href={neuronHref(run.name, { layer: map.layer, index })} tabIndex={i === 0 ? 0 : -1} title={name} aria-label={name}
            class={value === null ? (map.has_graph[i] ? 'none graphed' : 'none') : `q-${scaleStep(share(value))}`} />;
        })}
      </div>
      <p class="quiet legend">
        <span class="strip" aria-hidden="true">{Array.from({ length: 11 }, (_, i) => <i class={`q-${i}`} />)}</span>
        0 to {colour === 'firing_rate' ? percent(top) : number(top)}{colour === 'firing_rate' ? ' (square-root scale)' : ''}
        <i class="none key" aria-hidden="true" /> not measured
      </p>
    </>
  );
}

function Maps({ run, overview, query }: { run: RunInfo; overview: Overview; query: Record<string, string> }) {
  const layers = overview.layers ?? [];
  const layer = Number(query.layer ?? layers[0]?.layer ?? 0);
  const colour = (kColours.find(([key]) => key === query.colour)?.[0] ?? (run.graphs ? 'f1' : run.clusters ? 'polysemanticity' : 'firing_rate')) as Colour;
  const map = useAsk<LayerMap>(layers.length ? at('runs', run.name, 'layers', layer) : null);
  const set = (values: object) => go(href([run.name], { layer, colour, ...values }), true);
  const options = kColours.filter(([key]) => (key === 'polysemanticity' ? run.clusters : key !== 'f1' || run.graphs));
  return (
    <section>
      <div class="bar">
        <h2>All {run.unit_name}s</h2>
        <Toggle name="colour" label="colour by" value={colour} options={options.map(([key, text]) => [key, text])} onChange={(value) => set({ colour: value })} />
        <Toggle name="layer" label="layer" value={String(layer)} options={layers.map((one) => [String(one.layer), `${layers.length > 8 ? '' : 'layer '}${one.layer}`])} onChange={(value) => set({ layer: value })} />
      </div>
      <Loaded of={map} what="the map">{(data) => <UnitMap run={run} map={data} colour={colour} />}</Loaded>
    </section>
  );
}

export function OverviewView({ run, runs, query }: { run: RunInfo; runs: RunInfo[]; query: Record<string, string> }) {
  const overview = useAsk<Overview>(at('runs', run.name));
  const random = () => fetch(at('runs', run.name, 'random') + `?seed=${Math.floor(Math.random() * 1e9)}`).then((answer) => answer.json()).then((unit) => go(neuronHref(run.name, unit)));
  return (
    <Loaded of={overview} what="the overview">{(data) => (
      <>
        <div class="top">
          <div><h1>{data.name}</h1><p class="quiet">What does each {data.unit_name} of {data.model ?? 'the model'} respond to?{data.images ? '' : ` ${plural(data.graphs ?? 0, 'graph')} so far.`}</p></div>
          {!!data.graphs && <nav><button type="button" onClick={random}>A random {data.unit_name}</button></nav>}
        </div>
        <Cards overview={data} />
        <StartHere run={run} runs={runs} overview={data} />
        {!!data.highlights?.best.length && (
          <section><h2>Clearest graphs</h2><div class="gallery">
            {data.highlights.best.map((unit) => <SmallGraph key={`${unit.layer}:${unit.index}`} run={run.name} unit={unit} caption={`F1 ${number(unit.value)}`} />)}
          </div></section>
        )}
        {!!data.highlights?.polysemantic.length && (
          <section><h2>Most polysemantic</h2><p class="links">{data.highlights.polysemantic.map((unit) => (
            <a key={`${unit.layer}:${unit.index}`} class="chip" href={neuronHref(run.name, unit, { cluster: 0 })}>{unit.layer}:{unit.index} <small>{plural(unit.clusters, 'reason')}, {number(unit.value)}</small></a>
          ))}</p></section>
        )}
        <Maps run={run} overview={data} query={query} />
        <section class="pair">{!data.images && <div><h2>By layer</h2><ScoresByLayer overview={data} /></div>}{!!data.polysemanticity?.length && <div><h2>Polysemanticity</h2><Polysemanticity overview={data} /></div>}</section>
        <section><details><summary>Everything this run records about itself</summary><pre class="manifest">{JSON.stringify(data.manifest, null, 2)}</pre></details></section>
      </>
    )}</Loaded>
  );
}

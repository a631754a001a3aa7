// Sparse autoencoders beside each other and beside the neurons of their layer, and their features as units.
import { at, useAsk, type Overview, type RunInfo, type SaeRow } from './api';
import { Chart } from './charts';
import { Facts, Loaded, number } from './parts';
import { href } from './route';

const kKinds: Record<string, string> = { standard: 'standard (L1)', topk: 'TopK', embedding: 'embedding loss', gated: 'gated', jumprelu: 'JumpReLU', neurons: 'neurons' };
const titleOf = (kind: string) => kKinds[kind] ?? kind;

// Kinds have points at different places: all places on one axis, with gaps that the lines cross.
function curves(rows: SaeRow[], x: keyof SaeRow, y: keyof SaeRow) {
  const points = rows.filter((row) => typeof row[x] === 'number' && typeof row[y] === 'number');
  const places = [...new Set(points.map((row) => row[x] as number))].sort((a, b) => a - b);
  const kinds = [...new Set(points.map((row) => row.kind))];
  const lines = kinds.map((kind) => ({ name: titleOf(kind), values: places.map((place) => (points.find((row) => row.kind === kind && row[x] === place)?.[y] as number | undefined) ?? null) }));
  return { x: places, lines };
}

function Comparison({ rows }: { rows: SaeRow[] }) {
  const saes = rows.filter((row) => row.kind !== 'neurons');
  const neurons = rows.filter((row) => row.kind === 'neurons');
  const best = (value: (row: SaeRow) => number | null | undefined, low = true) => {
    const all = saes.map(value).filter((one): one is number => typeof one === 'number');
    return all.length > 1 ? (low ? Math.min(...all) : Math.max(...all)) : undefined;
  };
  const columns: [string, (row: SaeRow) => number | null | undefined, number, boolean | null][] = [
    ['active (L0)', (row) => row.l0, 1, null], ['unexplained', (row) => row.unexplained, 4, true], ['loss recovered', (row) => row.loss_recovered, 3, false],
    ['dead', (row) => row.dead, 0, true], ['clusters', (row) => row.clusters, 2, true], ['mean distance', (row) => row.mean_distance, 3, true],
    ['within', (row) => row.intra, 3, null], ['between', (row) => row.inter, 3, null], ['polysemanticity', (row) => row.polysemanticity, 3, true],
  ];
  return (
    <>
      <section class="pair">
        <Chart title="Reconstruction against sparsity" xLabel="active features a token (L0)" yLabel="unexplained variance" {...curves(saes, 'l0', 'unexplained')} />
        <Chart title="How mixed features are, against reconstruction" xLabel="unexplained variance" yLabel="mean distance" {...curves(saes, 'unexplained', 'mean_distance')} />
      </section>
      <p class="quiet">Down and left is better in both. Compare kinds at the same sparsity or the same error: a denser autoencoder reconstructs better whatever its loss.
        {neurons.map((row) => ` ${row.name}: mean distance ${number(row.mean_distance, 3)}.`).join('')}</p>
      <section>
        <h2>Figures</h2>
        <div class="wide"><table class="scores">
          <thead><tr><th scope="col">units of</th><th scope="col" class="text">kind</th><th scope="col">units</th>{columns.map(([name]) => <th scope="col" key={name}>{name}</th>)}</tr></thead>
          <tbody>{rows.map((row) => <tr key={row.name}><th scope="row">{row.name}</th><td class="text">{titleOf(row.kind)}</td><td>{row.units}</td>
            {columns.map(([name, value, digits, low]) => {
              const one = value(row), top = low === null ? undefined : best(value, low);
              return <td key={name}>{top !== undefined && row.kind !== 'neurons' && one === top ? <b>{number(one, digits)}</b> : number(one, digits)}</td>;
            })}</tr>)}</tbody>
        </table></div>
        <p class="quiet">Mean distance: between the input directions of a unit's examples (cosine); within and between its clusters. Bold: best of the autoencoders.</p>
      </section>
    </>
  );
}

export function SaeView({ run, runs }: { run: RunInfo; runs: RunInfo[] }) {
  const overview = useAsk<Overview>(at('runs', run.name));
  const features = runs.filter((one) => one.unit_name === 'feature');
  return (
    <Loaded of={overview} what="the autoencoders">{(data) => {
      const rows = (data.manifest?.sae_evaluation as { rows?: SaeRow[] } | undefined)?.rows ?? [];
      const own = (data.manifest?.model as { sae?: Record<string, unknown> } | undefined)?.sae;
      return (
        <>
          <div class="top"><div><h1>Sparse autoencoders</h1><p class="quiet">{data.model} · features in place of neurons: sparser, and with fewer reasons to fire</p></div></div>
          {rows.length > 0 ? <Comparison rows={rows} /> : <p class="quiet">No comparison in this run yet: <code>assay sae evaluate DIR… --text TEXT --run RUN</code></p>}
          {own && <section class="panel"><h3>The autoencoder of this run</h3><Facts of={Object.entries(own).filter(([, value]) => typeof value !== 'object').map(([name, value]) => [name.replaceAll('_', ' '), String(value)])} /></section>}
          <section><h2>Features as units</h2>
            {features.length ? <p class="links">{features.map((one) => <a key={one.name} class="chip" href={href([one.name])}>{one.name} <small>{one.units} features</small></a>)}</p>
              : <p class="quiet">None of the served runs is of features. <code>assay neurons collect --sae DIR</code> makes one; serve it beside this: <code>assay serve RUN RUN_OF_FEATURES</code>.</p>}
          </section>
        </>
      );
    }}</Loaded>
  );
}

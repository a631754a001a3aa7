// The reasons for which a unit fires, side by side: a few examples of each.
import { at, query as search, useAsk, type ClusterInfo, type ExamplePage, type Neuron } from './api';
import { plural } from './parts';
import { Tokens } from './tokens';

const kCards = 4;

export const largestFirst = (clusters: ClusterInfo[]) => [...clusters].sort((a, b) => b.members - a.members);

function Card({ neuron, cluster, onPick }: { neuron: Neuron; cluster: ClusterInfo; onPick: () => void }) {
  const path = at('runs', neuron.run, 'neurons', neuron.layer, neuron.index, 'examples');
  const found = useAsk<ExamplePage>(path + search({ cluster: cluster.cluster, limit: 4 }));
  const title = cluster.label || `cluster ${cluster.cluster + 1}`;
  return (
    <article class="panel reason">
      <header><h3>{title}</h3><button type="button" onClick={onPick} aria-label={`all examples of ${title}`}>All {cluster.members}</button></header>
      {found.error && <p class="problem" role="alert">{found.error}</p>}
      {found.data?.examples.map((example, i) => (
        <Tokens key={i} before={9} after={4} label={`example ${i + 1} of ${title}`} text={{ ...example, max: neuron.max_activation }} />
      ))}
    </article>
  );
}

export function ClusterCards({ neuron, onPick }: { neuron: Neuron; onPick: (cluster: number) => void }) {
  const largest = largestFirst(neuron.clusters);
  if (largest.length < 2) return null;
  return (
    <>
      <div class="reasons">{largest.slice(0, kCards).map((cluster) => <Card key={cluster.cluster} neuron={neuron} cluster={cluster} onPick={() => onPick(cluster.cluster)} />)}</div>
      {largest.length > kCards && <p class="quiet">{plural(largest.length - kCards, 'smaller cluster')} more, as tabs above.</p>}
    </>
  );
}

// The texts on which a unit was seen, a page at a time, and how each became part of the graph.
import { useEffect, useState } from 'preact/hooks';
import { at, query as search, useAsk, type Example, type ExamplePage, type Neuron, type Picture, type Prompts } from './api';
import { amount, Loaded, number, plural, Toggle } from './parts';
import { Tokens } from './tokens';

const kNames: Record<string, string> = { top: 'Top', quantile: 'Lower quantiles', bottom: 'Most negative', given: 'Given', above: 'Sampled' };

function HowItWasMade({ run, neuron, rank }: { run: string; neuron: Neuron; rank: number }) {
  const [open, setOpen] = useState(false);
  const made = useAsk<Prompts>(open ? at('runs', run, 'neurons', neuron.layer, neuron.index, 'prompts', rank) : null);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>How it was pruned and varied</summary>
      {open && <Loaded of={made} what="the prompts">{(data) => (
        <>
          {data.pruning && <p class="quiet">{data.pruning.outcome === 'not_positive' ? 'Left out: the activation is not positive' :
            `Pruned to ${plural(data.pruning.context, 'token')} of left context: activation ${amount(data.pruning.pruned_activation)} of ${amount(data.pruning.full_activation)}${data.pruning.outcome === 'context_limit' ? ' (longest context tried)' : ''}`}</p>}
          <div class="wide"><table class="variations">
            <thead><tr><th scope="col">prompt</th><th scope="col">change</th><th scope="col">keeps</th><th scope="col">in the graph</th></tr></thead>
            <tbody>{data.prompts.map((prompt) => (
              <tr key={prompt.ordinal} class={prompt.kept ? '' : 'rejected'}>
                <td><Tokens label={`prompt ${prompt.ordinal}`} whole text={{ tokens: prompt.tokens, activations: prompt.activations, importances: prompt.importances.length ? prompt.importances : null, max: neuron.max_activation, pivot: prompt.pivot }} /></td>
                <td>{prompt.substitution ? <>{prompt.substitution.original} → <b>{prompt.substitution.substitute}</b></> : 'pruned'}</td>
                <td class="n">{number(prompt.ratio)}</td><td>{prompt.kept ? 'yes' : 'no'}</td>
              </tr>
            ))}</tbody>
          </table></div>
        </>
      )}</Loaded>}
    </details>
  );
}

function One({ run, neuron, example, place }: { run: string; neuron: Neuron; example: Example; place: number }) {
  const trained = example.kind === neuron.training_kind && neuron.has_graph;
  return (
    <article class="example">
      <header>
        <span class="rank">#{place + 1}</span><b class="value">{amount(example.activation)}</b>
        {example.half && <span class={`tag ${example.half}`}>{example.half === 'train' ? 'in the graph' : 'held out'}</span>}
        {example.kind === 'quantile' && <span class="tag">quantile {example.bin + 1}</span>}
        <span class="quiet place">{example.source.split('/').pop()}, document {example.document}</span>
      </header>
      <Tokens label={`example ${place + 1}, activation ${amount(example.activation)}`} text={{ ...example, max: neuron.max_activation }} />
      {trained && <HowItWasMade run={run} neuron={neuron} rank={example.rank} />}
    </article>
  );
}

export function Examples({ run, neuron, cluster, node, query, set }: {
  run: string; neuron: Neuron; cluster: number | null; node: Picture['nodes'][number] | null;
  query: Record<string, string>; set: (values: Record<string, string | number | undefined>) => void;
}) {
  const kinds = Object.keys(kNames).filter((kind) => neuron.examples[kind]);
  const kind = node && cluster === null ? neuron.training_kind : kinds.includes(query.kind) ? query.kind : kinds[0] ?? 'top';
  const shade = query.shade === 'importance' ? 'importance' : 'activation';
  const page = Math.max(0, Number(query.page ?? 0) || 0);
  const ranks = node && cluster === null ? node.examples.join(',') || '1000000' : undefined;
  const path = at('runs', run, 'neurons', neuron.layer, neuron.index, 'examples');
  const found = useAsk<ExamplePage>(kinds.length ? path + search({ kind, cluster: cluster ?? undefined, ranks, offset: page * 10, limit: 10 }) : null);
  useEffect(() => { document.body.dataset.shade = shade; }, [shade]);
  if (!kinds.length) return null;
  return (
    <section>
      <div class="bar sticky">
        <h2>Examples</h2>
        {cluster === null && !node && kinds.length > 1 && <Toggle name="kind" label="which examples" value={kind} options={kinds.map((one) => [one, `${kNames[one]} ${neuron.examples[one]}`])} onChange={(value) => set({ kind: value, page: undefined })} />}
        {node && cluster === null && <button type="button" class="chip" onClick={() => set({ node: undefined })}>through <b>{node.text}</b> ✕</button>}
        <Toggle name="shade" label="shade tokens by" value={shade} options={[['activation', 'Activation'], ['importance', 'Importance']]} onChange={(value) => set({ shade: value })} />
      </div>
      {shade === 'importance' && found.data && !found.data.examples.some((example) => example.importances?.some((value) => value !== null)) && <p class="quiet">Importance is measured on the examples that build the graph only.</p>}
      <Loaded of={found} what="the examples">{(data) => (
        <>
          {data.examples.map((example, i) => <One key={`${example.kind}:${example.bin}:${example.rank}`} run={run} neuron={neuron} example={example} place={data.offset + i} />)}
          {!data.total && <p class="quiet">No example of this kind.</p>}
          {data.total > 10 && <nav class="pager" aria-label="pages of examples">
            <button type="button" disabled={page === 0} onClick={() => set({ page: page - 1 || undefined })}>← stronger</button>
            <span class="quiet">{data.offset + 1}–{data.offset + data.examples.length} of {data.total}</span>
            <button type="button" disabled={data.offset + data.examples.length >= data.total} onClick={() => set({ page: page + 1 })}>weaker →</button>
          </nav>}
        </>
      )}</Loaded>
    </section>
  );
}

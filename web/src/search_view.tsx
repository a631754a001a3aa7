// Units by the tokens of their graphs, or by the text of a cluster's label; results as small graphs.
import { useEffect, useState } from 'preact/hooks';
import { at, query as search, useAsk, type Hit, type Overview, type RunInfo } from './api';
import { Loaded, number, plural } from './parts';
import { go, href } from './route';
import { SmallGraph } from './small_graph';

const kNames = ['activating', 'context', 'label', 'layer', 'min_f1', 'repeated', 'exact'] as const;
type Wanted = Partial<Record<(typeof kNames)[number], string>>;

// Words are tokens; quotes keep spaces: of " the".
export const tokensOf = (text: string) => [...text.matchAll(/"([^"]*)"?|(\S+)/g)].map((found) => found[1] ?? found[2]).filter(Boolean);

function address(run: RunInfo, wanted: Wanted, limit: number): string | null {
  const activating = tokensOf(wanted.activating ?? '').join('\n'), context = tokensOf(wanted.context ?? '').join('\n');
  const label = wanted.label?.trim();
  if (!activating && !context && !label && !wanted.repeated && !wanted.layer && !wanted.min_f1) return null;
  return at('runs', run.name, 'search') + search({ ...(label ? { label } : { activating, context, exact: wanted.exact, repeated: wanted.repeated, min_f1: wanted.min_f1 }), layer: wanted.layer, limit });
}

function caption(hit: Hit): string {
  const parts = [hit.f1 === null ? '' : `F1 ${number(hit.f1)}`];
  if (hit.label) parts.unshift(hit.label);
  return parts.filter(Boolean).join(' · ');
}

export function SearchView({ run, query }: { run: RunInfo; query: Record<string, string> }) {
  const wanted: Wanted = Object.fromEntries(kNames.filter((name) => query[name]).map((name) => [name, query[name]]));
  const key = JSON.stringify(wanted);
  const [draft, setDraft] = useState<Wanted>(wanted);
  const [limit, setLimit] = useState(24);
  const overview = useAsk<Overview>(at('runs', run.name));
  const path = address(run, wanted, limit);
  const found = useAsk<{ hits: Hit[] }>(path);
  useEffect(() => { setDraft(wanted); setLimit(24); }, [key]);
  useEffect(() => {
    if (JSON.stringify(draft) === key) return;
    const timer = setTimeout(() => go(href([run.name, 'search'], draft), true), 350);
    return () => clearTimeout(timer);
  }, [JSON.stringify(draft)]);
  const set = (name: (typeof kNames)[number], value: string) => setDraft((old) => {
    const next = { ...old };
    if (value) next[name] = value; else delete next[name];
    return next;
  });
  const check = (name: 'repeated' | 'exact', text: string) => (
    <label class="check"><input type="checkbox" checked={!!draft[name]} onChange={(event) => set(name, event.currentTarget.checked ? '1' : '')} /> {text}</label>
  );
  const try_ = (values: Wanted, text: string) => <a class="chip" href={href([run.name, 'search'], values)}>{text}</a>;
  return (
    <>
      <div class="top"><div><h1>Search</h1><p class="quiet">{plural(run.graphs ?? 0, 'graph')} of {run.unit_name}s, by what they say.</p></div></div>
      <form class="search" role="search" onSubmit={(event) => { event.preventDefault(); go(href([run.name, 'search'], draft), true); }}>
        <label class="field grow"><span>Fires on the tokens</span><input type="search" value={draft.activating ?? ''} placeholder="of" onInput={(event) => set('activating', event.currentTarget.value)} /></label>
        <label class="field grow"><span>After the tokens</span><input type="search" value={draft.context ?? ''} placeholder="House" onInput={(event) => set('context', event.currentTarget.value)} /></label>
        {run.clusters && <label class="field grow"><span>Text of a cluster's label</span><input type="search" value={draft.label ?? ''} onInput={(event) => set('label', event.currentTarget.value)} /></label>}
        <label class="field"><span>Layer</span><select value={draft.layer ?? ''} onChange={(event) => set('layer', event.currentTarget.value)}>
          <option value="">any</option>{overview.data?.layers?.map((one) => <option key={one.layer} value={one.layer}>{one.layer}</option>)}</select></label>
        <label class="field"><span>F1 at least {number(Number(draft.min_f1 ?? 0), 2)}</span><input type="range" min="0" max="1" step="0.05" value={draft.min_f1 ?? '0'} onInput={(event) => set('min_f1', event.currentTarget.value === '0' ? '' : event.currentTarget.value)} /></label>
        <div class="checks">{check('repeated', 'repeats a token it has seen')}{check('exact', 'exact tokens (case, spaces)')}</div>
      </form>
      {!path && <p class="links"><span class="quiet">For example</span> {try_({ activating: 'of' }, 'fires on “of”')} {try_({ context: 'the' }, 'after “the”')} {try_({ repeated: '1' }, 'repeats a token: in-context behaviour')} {try_({ min_f1: '0.8' }, 'clear graphs: F1 ≥ 0.8')}</p>}
      {path && <Loaded of={found} what="the results">{(data) => (
        <section aria-label="results">
          <p class="quiet" role="status">{data.hits.length ? `${data.hits.length < limit ? '' : 'first '}${plural(data.hits.length, data.hits[0].label ? 'cluster' : run.unit_name ?? 'unit')}${wanted.repeated ? ', most repetition first' : wanted.label ? '' : ', best F1 first'}` : 'Nothing found. A word that is no single token of the vocabulary matches nothing: try its first part.'}</p>
          <div class="gallery">{data.hits.map((hit) => <SmallGraph key={`${hit.layer}:${hit.index}:${hit.cluster ?? ''}`} run={run.name} unit={hit} caption={caption(hit)} cluster={hit.cluster} drawn={hit.has_graph} />)}</div>
          {data.hits.length >= limit && limit < 96 && <p><button type="button" onClick={() => setLimit(limit + 24)}>Show more</button></p>}
        </section>
      )}</Loaded>}
    </>
  );
}

import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import './style.css';
import { useAsk, type RunInfo } from './api';
import { ImagesView } from './images_view';
import { NeuronView } from './neuron_view';
import { OverviewView } from './overview_view';
import { PairsView } from './pairs_view';
import { Loaded } from './parts';
import { go, href, useRoute } from './route';
import { SaeView } from './sae_view';
import { SearchView } from './search_view';
import { StudyView } from './study_view';
import { TryView } from './try_view';

function tabsOf(run: RunInfo): [string, string][] {
  const tabs: [string, string][] = [['', run.neurons ? 'Overview' : run.robustness ? 'Robustness' : 'Study of pictures']];
  if (run.neurons && !run.images) tabs.push(['search', 'Search']);
  if (run.try) tabs.push(['try', 'Try it']);
  if (run.sae || run.unit_name === 'feature') tabs.push(['sae', 'SAE']);
  if (run.robustness && run.neurons) tabs.push(['robustness', 'Robustness']);
  if (run.graphs) tabs.push(['study', 'Study']);
  if (run.pairs && (run.neurons || run.robustness)) tabs.push(['pairs', 'Study of pictures']);
  return tabs;
}

function View({ run, runs, parts, query }: { run: RunInfo; runs: RunInfo[]; parts: string[]; query: Record<string, string> }) {
  switch (parts[0] ?? '') {
    case '':
      if (run.neurons) return <OverviewView run={run} runs={runs} query={query} />;
      return run.robustness ? <ImagesView run={run} query={query} /> : <PairsView run={run} query={query} />;
    case 'neuron': return <NeuronView key={`${parts[1]}:${parts[2]}`} run={run} layer={Number(parts[1])} index={Number(parts[2])} query={query} />;
    case 'search': return <SearchView run={run} query={query} />;
    case 'try': return <TryView run={run} query={query} />;
    case 'sae': return <SaeView run={run} runs={runs} />;
    case 'robustness': return <ImagesView run={run} query={query} />;
    case 'pairs': return <PairsView run={run} query={query} />;
    case 'study': return <StudyView run={run} query={query} />;
    default: return <p class="problem" role="alert">There is no view “{parts[0]}”.</p>;
  }
}

function Page({ runs }: { runs: RunInfo[] }) {
  const { parts, query } = useRoute();
  const main = useRef<HTMLElement>(null);
  const run = runs.find((one) => one.name === parts[0]) ?? (parts.length ? undefined : runs[0]);
  const view = parts[1] ?? '';
  const where = parts.join('/');
  useEffect(() => {
    document.title = ['Assay', run?.name, view === 'neuron' ? `${parts[2]}:${parts[3]}` : view].filter(Boolean).join(' · ');
    if (parts.length > 1) scrollTo(0, 0);
  }, [where]);
  return (
    <>
      <a class="skip" href={location.hash || '#/'} onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <header class="site">
        <a class="brand" href={href([runs[0]?.name ?? ''])}>Assay</a>
        {runs.length > 1 && (
          <select aria-label="run" value={run?.name} onChange={(event) => go(href([event.currentTarget.value]))}>
            {runs.map((one) => <option key={one.name} value={one.name}>{one.name}</option>)}
          </select>
        )}
        {run && <nav aria-label="views">{tabsOf(run).map(([key, text]) => (
          <a key={key} href={href(key ? [run.name, key] : [run.name])} aria-current={key === view || (key === '' && !run.neurons && view === (run.robustness ? 'robustness' : 'pairs')) ? 'page' : undefined}>{text}</a>
        ))}</nav>}
      </header>
      <main ref={main} tabIndex={-1}>
        {run ? <View run={run} runs={runs} parts={parts.slice(1)} query={query} /> : <p class="problem" role="alert">No run “{parts[0]}” is served here.</p>}
      </main>
    </>
  );
}

function App() {
  const runs = useAsk<{ runs: RunInfo[] }>('/api/runs');
  return <Loaded of={runs} what="the runs">{(data) => <Page runs={data.runs} />}</Loaded>;
}

const root = document.getElementById('app')!;
root.replaceChildren();
render(<App />, root);

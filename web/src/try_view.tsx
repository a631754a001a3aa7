// A text of the reader's own: what the units really do on it, and what one unit's graph says they should.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, at, query as search, send, type ExamplePage, type RunInfo, type Tried } from './api';
import { amount, number, percent, plural, Toggle } from './parts';
import { go, href, neuronHref } from './route';
import { Tokens } from './tokens';

const kExample = 'The court held that the members of the European Union shall not be liable for any damages of the kind.';
const kFires = 0.5; // of the unit's maximum: the paper's threshold

type TriedUnit = NonNullable<Tried['unit']>;

function Agreement({ unit }: { unit: TriedUnit }) {
  if (!unit.predicted) return <p class="quiet">This unit has no graph, so nothing is predicted.</p>;
  const fires = unit.activations.map((value) => value / (unit.max_activation || 1) > kFires);
  const says = unit.predicted.map((value) => value > kFires);
  const both = fires.filter((yes, i) => yes && says[i]).length, real = fires.filter(Boolean).length, told = says.filter(Boolean).length;
  return (
    <p class="verdict">
      {real === 0 && told === 0 ? 'The unit does not fire here, and its graph agrees.'
        : <>Fires on <b>{plural(real, 'token')}</b>; the graph says {told}; <b>{both}</b> in common.</>}
      {' '}<span class="quiet">Firing: above {kFires} of the largest activation, {amount(unit.max_activation)}.</span>
    </p>
  );
}

// A column a token: what was measured beside what was predicted, over the token itself.
function SideBySide({ tokens, unit }: { tokens: string[]; unit: TriedUnit }) {
  const [here, setHere] = useState<number | null>(null);
  const share = (value: number) => Math.max(0, Math.min(1, value / (unit.max_activation || 1)));
  return (
    <>
      <p class="quiet legend"><i class="swatch real" aria-hidden="true" /> measured {unit.predicted && <><i class="swatch told" aria-hidden="true" /> predicted by the graph</>}
        <span class="reading">{here === null ? ' Point at a token for its values.' : <> <b>{tokens[here]}</b> activation {amount(unit.activations[here])} ({number(share(unit.activations[here]))} of the largest){unit.predicted ? `, predicted ${number(unit.predicted[here])}` : ''}</>}</span></p>
      <div class="columns-of-tokens" aria-hidden="true" onPointerLeave={() => setHere(null)}>
        {tokens.map((token, i) => (
          <span key={i} class="column" onPointerEnter={() => setHere(i)} onClick={() => setHere(i)}>
            <span class="bars">
              <i class="real" style={{ height: `${100 * share(unit.activations[i])}%` }} />
              {unit.predicted && <i class="told" style={{ height: `${100 * Math.min(1, unit.predicted[i])}%` }} />}
            </span>
            <span class="word">{token.trim() ? token : '␣'}</span>
          </span>
        ))}
      </div>
      <div class="unseen"><table>
        <caption>Activation and prediction by token</caption>
        <thead><tr><th scope="col">token</th><th scope="col">share of the largest activation</th><th scope="col">predicted</th></tr></thead>
        <tbody>{tokens.map((token, i) => <tr key={i}><th scope="row">{token}</th><td>{number(share(unit.activations[i]))}</td><td>{number(unit.predicted?.[i])}</td></tr>)}</tbody>
      </table></div>
    </>
  );
}

function Top({ run, tried, onPick }: { run: RunInfo; tried: Tried; onPick: (unit: string) => void }) {
  const [layer, setLayer] = useState('all');
  const layers = [...new Set(tried.top.map((one) => one.layer))].sort((a, b) => a - b);
  const shown = tried.top.filter((one) => layer === 'all' || String(one.layer) === layer).slice(0, 20);
  const around = (i: number) => tried.tokens.slice(Math.max(0, i - 4), i).join('');
  return (
    <section>
      <div class="bar"><h2>Strongest {run.unit_name}s on this text</h2>
        <Toggle name="top-layer" label="layer" value={layer} options={[['all', 'Any layer'], ...layers.map((one): [string, string] => [String(one), String(one)])]} onChange={setLayer} /></div>
      <div class="wide"><table class="top-units">
        <thead><tr><th scope="col">{run.unit_name}</th><th scope="col">of its largest</th><th scope="col">where</th><th scope="col">graph's F1</th><th scope="col"><span class="unseen">compare</span></th></tr></thead>
        <tbody>{shown.map((one) => (
          <tr key={`${one.layer}:${one.index}`}>
            <th scope="row"><a href={neuronHref(run.name, one)}>{one.layer}:{one.index}</a></th>
            <td class="meter" style={{ '--share': Math.min(1, one.share) }}><i aria-hidden="true" />{percent(one.share)}</td>
            <td class="where"><span class="quiet">{around(one.token)}</span><b>{tried.tokens[one.token]}</b></td>
            <td class="n">{one.has_graph ? number(one.f1) : <span class="quiet">no graph</span>}</td>
            <td><button type="button" onClick={() => onPick(`${one.layer}:${one.index}`)}>Compare</button></td>
          </tr>
        ))}</tbody>
      </table></div>
      {!shown.length && <p class="quiet">None fires here.</p>}
    </section>
  );
}

// What a unit fires on, as a text to begin with.
async function exampleOf(run: string, unit: string): Promise<string> {
  const [layer, index] = unit.split(':').map(Number);
  const { examples } = await ask<ExamplePage>(at('runs', run, 'neurons', layer, index, 'examples') + search({ limit: 1 }));
  const first = examples[0];
  return first ? first.tokens.slice(Math.max(0, first.pivot - 24), first.pivot + 8).join('').replaceAll('↵', '\n').replaceAll('⇥', '\t').trim() : kExample;
}

export function TryView({ run, query }: { run: RunInfo; query: Record<string, string> }) {
  const text = query.text ?? kExample, unit = query.unit ?? '';
  const [draft, setDraft] = useState({ text, unit });
  const [tried, setTried] = useState<Tried | null>(null);
  const [state, setState] = useState<{ problem?: string; busy: boolean }>({ busy: false });
  const typed = useRef(false);
  useEffect(() => setDraft({ text, unit }), [text, unit]);
  const show = (next: { text: string; unit: string }) => go(href([run.name, 'try'], next), true);
  useEffect(() => {
    if (query.text === undefined && unit) exampleOf(run.name, unit).catch(() => kExample).then((found) => { if (!typed.current) show({ text: found, unit }); });
  }, [run.name, unit, query.text]);

  // What stands still for a moment is tried: nobody needs to press anything.
  useEffect(() => {
    if (draft.text === text && draft.unit === unit) return;
    const timer = setTimeout(() => show(draft), 600);
    return () => clearTimeout(timer);
  }, [draft.text, draft.unit]);
  useEffect(() => {
    if (query.text === undefined && unit) return; // its own example comes
    if (!text.trim()) { setTried(null); return setState({ busy: false }); }
    const stop = new AbortController();
    setState({ busy: true });
    send<Tried>('POST', at('runs', run.name, 'try'), unit.trim() ? { text, unit: unit.trim() } : { text }, stop.signal).then(
      (answer) => { setTried(answer); setState({ busy: false }); },
      (error: Error) => error.name !== 'AbortError' && setState({ busy: false, problem: error.message }),
    );
    return () => stop.abort();
  }, [run.name, text, unit, query.text]);

  const now = tried?.unit;
  const scroll = (picked: string) => { show({ text, unit: picked }); scrollTo({ top: 0, behavior: 'smooth' }); };
  return (
    <>
      <div class="top"><div><h1>Try a text</h1><p class="quiet">The model runs on this machine; nothing leaves it.</p></div></div>
      <form class="try" onSubmit={(event) => { event.preventDefault(); show(draft); }}>
        <label class="field grow"><span>Text</span>
          <textarea rows={3} value={draft.text} maxLength={8000} onInput={(event) => { typed.current = true; setDraft({ ...draft, text: event.currentTarget.value }); }} /></label>
        <div class="under">
          <label class="field"><span>{run.unit_name === 'feature' ? 'Feature' : 'Neuron'}, as layer:index</span>
            <input value={draft.unit} placeholder="any" inputMode="numeric" pattern="[0-9]+:[0-9]+" onInput={(event) => setDraft({ ...draft, unit: event.currentTarget.value })} /></label>
          <button type="submit" class="main">Try</button>
          <span class="quiet" role="status">{state.busy ? 'running…' : tried ? plural(tried.tokens.length, 'token') : ''}</span>
        </div>
      </form>
      {state.problem && <p class="problem" role="alert">{state.problem}</p>}
      {tried && now && (
        <section>
          <div class="bar"><h2>Measured and predicted: <a href={neuronHref(run.name, now)}>{now.layer}:{now.index}</a></h2></div>
          <Agreement unit={now} />
          <SideBySide tokens={tried.tokens} unit={now} />
          <div class="pair" data-shade="activation">
            <div class="panel"><h3>Measured</h3><Tokens whole label="measured activations" text={{ tokens: tried.tokens, activations: now.activations, max: now.max_activation, predicted: now.predicted }} /></div>
            {now.predicted && <div class="panel"><h3>Predicted by the graph</h3><Tokens whole label="predicted activations" text={{ tokens: tried.tokens, activations: now.predicted.map((value) => value), max: 1 }} /></div>}
          </div>
        </section>
      )}
      {tried && <Top run={run} tried={tried} onPick={scroll} />}
    </>
  );
}

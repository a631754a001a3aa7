// The forced-choice task over pictures: which of the two was altered? The answers are saved for `assay robust study score`;
// neither the page nor the server knows which are right.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { at, query as search, send, useAsk, type RunInfo } from './api';
import { Loaded } from './parts';
import { go, href } from './route';

interface Pairs { study: string; pairs: number; answered: number[] }

const draw = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte % 36).toString(36)).join('');

function Pair({ run, pair, session, person, onDone }: { run: string; pair: number; session: string; person: string; onDone: (answered: number[]) => void }) {
  const pictures = useRef<HTMLDivElement>(null);
  const shown = useRef(0); // when both could be seen
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const ready = () => [...pictures.current!.querySelectorAll('img')].every((one) => one.complete && one.naturalWidth > 0);
  const load = () => { if (ready() && !shown.current) shown.current = performance.now(); };
  const choose = (choice: number) => {
    if (!ready() || busy) return;
    load();
    setBusy(true);
    send<{ answered: number[] }>('POST', at('runs', run, 'pairs'), { session, pair, choice, milliseconds: Math.round(performance.now() - shown.current), person })
      .then((answer) => onDone(answer.answered), (error: Error) => { setProblem(error.message); setBusy(false); });
  };
  useLayoutEffect(() => { // before anybody can see the pictures and press a key
    const key = (event: KeyboardEvent) => {
      if (event.repeat || (event.target as Element).closest('input,textarea,select')) return;
      if (['ArrowLeft', '1', 'f'].includes(event.key)) { event.preventDefault(); choose(1); }
      if (['ArrowRight', '2', 'j'].includes(event.key)) { event.preventDefault(); choose(2); }
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  });
  return (
    <>
      <div class="choices pictures" ref={pictures}>{[1, 2].map((side) => (
        <button key={side} type="button" class="choice" disabled={busy} onClick={() => choose(side)}>
          <img src={at('runs', run, 'pairs', pair, side)} alt={side === 1 ? 'left picture' : 'right picture'} draggable={false} onLoad={load} />
          <kbd>{side === 1 ? '←' : '→'}</kbd>
        </button>
      ))}</div>
      {problem && <p class="problem" role="alert">{problem}</p>}
      <p class="quiet">Press <kbd>←</kbd> or <kbd>→</kbd> for the picture that you think was altered. Guess when you cannot tell.</p>
    </>
  );
}

export function PairsView({ run, query }: { run: RunInfo; query: Record<string, string> }) {
  const session = query.session ?? '';
  const [person, setPerson] = useState('');
  const [now, setNow] = useState<number[] | null>(null);
  const asked = useAsk<Pairs>(at('runs', run.name, 'pairs') + search({ session }));
  const start = (event: Event) => { event.preventDefault(); setNow(null); go(href([run.name, 'pairs'], { session: draw() }), true); };
  return (
    <Loaded of={asked} what="the study">{(data) => {
      const answered = session ? now ?? data.answered : [];
      const next = Array.from({ length: data.pairs }, (_, i) => i + 1).find((pair) => !answered.includes(pair));
      if (!session || next === undefined) {
        return (
          <>
            <div class="top"><div><h1>Can you see it?</h1><p class="quiet">{data.study} · {data.pairs} pairs of pictures</p></div></div>
            <section class="panel prose">
              {session ? <p>Thank you: all {data.pairs} answers are saved. <code>assay robust study score</code> says how visible the changes were.</p>
                : <p>Two pictures stand beside each other; one of them was altered so that a classifier is fooled. Which? Nobody tells you whether you were right, so that you do not learn on the way.</p>}
              <form onSubmit={start}><label class="field"><span>Name (optional; saved beside the answers on this machine)</span>
                <input value={person} maxLength={80} pattern="[^,&quot;]*" title="without commas and quotes" onInput={(event) => setPerson(event.currentTarget.value)} /></label>
                <button type="submit" class="main">{session ? 'Another person' : 'Start'}</button></form>
            </section>
          </>
        );
      }
      return (
        <>
          <div class="top"><div><h1>Pair {answered.length + 1} of {data.pairs}</h1><p class="quiet">Which picture was altered?</p></div>
            <nav><button type="button" onClick={() => go(href([run.name, 'pairs']), true)}>Stop</button></nav></div>
          <progress class="trials" max={data.pairs} value={answered.length} aria-label="pairs answered" />
          <Pair key={next} run={run.name} pair={next} session={session} person={person} onDone={setNow} />
        </>
      );
    }}</Loaded>
  );
}

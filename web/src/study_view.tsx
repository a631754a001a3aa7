// The two-alternative forced-choice task: given a unit's graph, which of two texts makes it fire more? Keys alone suffice.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { at, query as search, send, useAsk, type Picture, type RunInfo, type Trial } from './api';
import { amount, Loaded, percent, plural } from './parts';
import { go, href, neuronHref } from './route';
import { GraphView } from './graph_view';

const kTrials = 20;
interface Answer { correct: boolean; stronger: number; activations: number[] }

function Choice({ trial, side, answer, chosen, onChoose }: { trial: Trial; side: number; answer: Answer | null; chosen: number | null; onChoose: (side: number) => void }) {
  const text = trial.texts[side], first = Math.max(0, text.pivot - 24), last = Math.min(text.tokens.length, text.pivot + 11);
  const mark = answer && (answer.stronger === side ? 'right' : chosen === side ? 'wrong' : '');
  return (
    <button type="button" class={`choice ${mark ?? ''}`} aria-pressed={chosen === side} disabled={answer !== null} onClick={() => onChoose(side)}>
      <kbd>{side === 0 ? '←' : '→'}</kbd>
      <span class="text">{first > 0 && '… '}{text.tokens.slice(first, last).map((token, i) => (first + i === text.pivot ? <mark key={i}>{token}</mark> : token))}{last < text.tokens.length && ' …'}</span>
      {answer && <span class="quiet">activation {amount(answer.activations[side])}{answer.stronger === side ? ': this one' : ''}</span>}
    </button>
  );
}

function Task({ run, seed, number: place, person, onDone }: { run: string; seed: number; number: number; person: string; onDone: (correct: boolean) => void }) {
  const trial = useAsk<Trial>(at('runs', run, 'study', place) + search({ seed }));
  const unit = trial.data;
  const picture = useAsk<Picture>(unit ? at('runs', run, 'neurons', unit.layer, unit.index, 'graph') + '?nodes=30' : null);
  const [chosen, setChosen] = useState<number | null>(null);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [problem, setProblem] = useState('');
  const shown = useRef(0);
  const ready = !!picture.data && unit?.trial === place;
  useEffect(() => { if (ready) shown.current = performance.now(); }, [ready]);
  const choose = (side: number) => {
    if (!ready || chosen !== null) return;
    setChosen(side);
    const body = { seed, trial: place, choice: side, milliseconds: Math.round(performance.now() - shown.current), person };
    send<Answer>('POST', at('runs', run, 'study'), body).then(setAnswer, (error: Error) => { setProblem(error.message); setChosen(null); });
  };
  useLayoutEffect(() => { // with the answer on screen, Enter works: not a frame later
    const key = (event: KeyboardEvent) => {
      if ((event.target as Element).closest('input,textarea,select')) return;
      if (['ArrowLeft', '1', 'f'].includes(event.key)) { event.preventDefault(); choose(0); }
      if (['ArrowRight', '2', 'j'].includes(event.key)) { event.preventDefault(); choose(1); }
      if (answer && (event.key === 'Enter' || event.key === ' ')) { event.preventDefault(); onDone(answer.correct); }
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  });
  return (
    <Loaded of={trial} what="the question">{(data) => (
      <>
        <Loaded of={picture} what="the graph">{(graph) => <GraphView picture={graph} />}</Loaded>
        <h2 class="question">{data.question}</h2>
        <div class="choices">{[0, 1].map((side) => <Choice key={side} trial={data} side={side} answer={answer} chosen={chosen} onChoose={choose} />)}</div>
        {problem && <p class="problem" role="alert">{problem}</p>}
        <p class="after" role="status">{answer ? <><b class={answer.correct ? 'right' : 'wrong'}>{answer.correct ? '✓ Right' : '✗ Not this time'}</b>{' '}
          <button type="button" class="main" onClick={() => onDone(answer.correct)}>Next <kbd>Enter</kbd></button>{' '}
          <a href={neuronHref(run, data)}>{data.layer}:{data.index}</a></> : <span class="quiet">Press <kbd>←</kbd> or <kbd>→</kbd>. The marked token is where the unit fires most in that text.</span>}</p>
      </>
    )}</Loaded>
  );
}

// 95 % interval of a share (Wilson): few answers say little.
export function wilson(correct: number, all: number): [number, number] {
  if (!all) return [0, 1];
  const z = 1.96, share = correct / all, middle = (share + (z * z) / (2 * all)) / (1 + (z * z) / all);
  const half = (z * Math.sqrt((share * (1 - share)) / all + (z * z) / (4 * all * all))) / (1 + (z * z) / all);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

function So({ correct, all, what }: { correct: number; all: number; what: string }) {
  const [low, high] = wilson(correct, all);
  return <p>{what}: <b>{correct} of {all}</b> right{all > 0 && <> ({percent(correct / all)}; 95 % interval {percent(low)} to {percent(high)}; chance is 50 %)</>}.</p>;
}

export function StudyView({ run, query }: { run: RunInfo; query: Record<string, string> }) {
  const seed = Number(query.seed ?? 0) || 0;
  const [person, setPerson] = useState('');
  const [place, setPlace] = useState(0);
  const [correct, setCorrect] = useState(0);
  const summary = useAsk<{ answers: number; correct: number }>(at('runs', run.name, 'study'), place);
  const start = () => { setPlace(0); setCorrect(0); go(href([run.name, 'study'], { seed: 1 + Math.floor(Math.random() * 999_999_999) }), true); };
  const begin = (event: Event) => { event.preventDefault(); start(); };
  if (!seed || place >= kTrials) {
    return (
      <>
        <div class="top"><div><h1>Study</h1><p class="quiet">How much do graphs tell people?</p></div></div>
        <section class="panel prose">
          {place >= kTrials ? <So correct={correct} all={kTrials} what="This time" />
            : <p>You see the graph of one {run.unit_name} and two texts. Which makes it fire more? One is a strong example that the graph was not made from; in the other the unit stays below half of that. {kTrials} questions, about four minutes, with two keys.</p>}
          <form onSubmit={begin}><label class="field"><span>Name (optional; saved beside the answers on this machine)</span>
            <input value={person} maxLength={80} onInput={(event) => setPerson(event.currentTarget.value)} /></label>
            <button type="submit" class="main">{place >= kTrials ? 'Again' : 'Start'}</button></form>
        </section>
        {summary.data && summary.data.answers > 0 && <section><h2>All answers saved in this run</h2><So correct={summary.data.correct} all={summary.data.answers} what="Together" /></section>}
      </>
    );
  }
  return (
    <>
      <div class="top"><div><h1>Question {place + 1} of {kTrials}</h1><p class="quiet">{place ? `${correct} of ${plural(place, 'answer')} right so far` : 'which text makes it fire more?'}</p></div>
        <nav><button type="button" onClick={() => go(href([run.name, 'study']), true)}>Stop</button></nav></div>
      <progress class="trials" max={kTrials} value={place} aria-label="questions answered" />
      <Task key={`${seed}:${place}`} run={run.name} seed={seed} number={place} person={person} onDone={(right) => { setCorrect(correct + (right ? 1 : 0)); setPlace(place + 1); }} />
    </>
  );
}

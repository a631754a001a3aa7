// A transform or an attack of one's own strength, evaluated now on the tiles of the run.
import { useState } from 'preact/hooks';
import { at, useAsk } from './api';
import { JobProgress, useJob } from './job';
import { amount, Loaded } from './parts';

interface Choice { item: string; title: string; kind: string; axis: string; usual: number; most: number }

const kKinds = [['attack', 'Attacks on pixels'], ['transform', 'Changes of the image']] as const;

function Form({ run, choices, first, onDone }: { run: string; choices: Choice[]; first?: string; onDone: (item: string) => void }) {
  const [item, setItem] = useState(choices.find((one) => one.item === first?.split('-at-')[0])?.item ?? choices[0].item);
  const choice = choices.find((one) => one.item === item)!;
  const [share, setShare] = useState(0.5); // of the usual strength
  const most = choice.most / choice.usual;
  const strength = Number((Math.min(share, most) * choice.usual).toPrecision(3));
  const followed = useJob((job) => onDone((job.result as { item: string }).item));
  return (
    <>
      <form class="under" onSubmit={(event) => { event.preventDefault(); followed.start({ kind: 'evaluate', run, title: `${choice.title}, ${strength}`, parameters: { item, strength } }); }}>
        <label class="field"><span>what is done to the tiles</span>
          <select value={item} onChange={(event) => setItem(event.currentTarget.value)}>
            {kKinds.map(([kind, title]) => <optgroup key={kind} label={title}>{choices.filter((one) => one.kind === kind).map((one) => <option key={one.item} value={one.item}>{one.title}</option>)}</optgroup>)}
          </select></label>
        <label class="field grow"><span>strength: {choice.axis}</span>
          <span class="strength"><input type="range" min={0.05} max={most} step={0.05} value={Math.min(share, most)} onInput={(event) => setShare(Number(event.currentTarget.value))}
            aria-valuetext={`${amount(strength)}, ${choice.axis}`} /><output>{amount(strength)}</output></span></label>
        <button type="submit" class="main" disabled={followed.active}>Evaluate</button>
      </form>
      <JobProgress of={followed} />
    </>
  );
}

export function EvaluatePanel({ run, first, onDone }: { run: string; first?: string; onDone: (item: string) => void }) {
  const asked = useAsk<{ choices: Choice[] }>(at('runs', run, 'evaluations'));
  return (
    <section class="panel" aria-label="evaluate now">
      <h2>Try another strength</h2>
      <p class="quiet">Runs the classifier now on all tiles of this evaluation. What comes of it joins the table, apart from the report's own figures.</p>
      <Loaded of={asked} what="the choices">{(data) => <Form run={run} choices={data.choices} first={first} onDone={onDone} />}</Loaded>
    </section>
  );
}

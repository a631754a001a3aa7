// Text shaded by activation or importance, a token each; the arrow keys walk through the tokens and say their values.
import { useState } from 'preact/hooks';
import { amount, number, scaleStep } from './parts';

export interface Shaded {
  tokens: string[]; activations?: (number | null)[]; importances?: (number | null)[] | null;
  max?: number; pivot?: number; predicted?: number[] | null;
}

export function Tokens({ text, before = 20, after = 10, whole = false, label }: {
  text: Shaded; before?: number; after?: number; whole?: boolean; label: string;
}) {
  const { tokens, pivot = -1 } = text;
  const [open, setOpen] = useState(false);
  const [here, setHere] = useState(-1);
  const all = open || whole || pivot < 0;
  const first = all ? 0 : Math.max(0, pivot - before), last = all ? tokens.length : Math.min(tokens.length, pivot + after + 1);

  const spoken = (i: number) => {
    const parts: string[] = [];
    if (text.activations) parts.push(text.activations[i] === null ? 'not counted' : `activation ${amount(text.activations[i])}`);
    if (typeof text.importances?.[i] === 'number') parts.push(`importance ${number(text.importances[i])}`);
    if (text.predicted) parts.push(`predicted ${number(text.predicted[i])}`);
    return parts.join(' · ');
  };
  const walk = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    setHere((now) => (now < 0 ? Math.max(first, pivot) : Math.min(Math.max(now + step, first), last - 1)));
  };
  const token = (i: number) => {
    const red = text.max && text.activations ? scaleStep((text.activations[i] ?? 0) / text.max) : 0;
    const blue = text.importances ? scaleStep(text.importances[i] ?? 0) : 0;
    const classes = ['t', red && `act-${red}`, blue && `imp-${blue}`, i === pivot && 'pivot', i === here && 'here'];
    const spaced = tokens[i].length > 1 && tokens[i][0] === ' ' && tokens[i][1] !== ' ';
    return <>{spaced ? ' ' : ''}<span class={classes.filter(Boolean).join(' ')} data-v={spoken(i)}>{spaced ? tokens[i].slice(1) : tokens[i]}</span></>;
  };
  return (
    <>
      <div class="tokens" tabIndex={0} role="group" aria-label={label} onKeyDown={walk} onBlur={() => setHere(-1)}>
        {first > 0 && <button type="button" class="more" aria-label={`show ${first} more tokens before`} onClick={() => setOpen(true)}>…</button>}
        {tokens.slice(first, last).map((_, i) => token(first + i))}
        {last < tokens.length && <button type="button" class="more" aria-label={`show ${tokens.length - last} more tokens after`} onClick={() => setOpen(true)}>…</button>}
      </div>
      <span class="unseen" role="status">{here >= 0 ? `${tokens[here]}: ${spoken(here)}` : ''}</span>
    </>
  );
}

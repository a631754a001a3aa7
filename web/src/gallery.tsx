// Tiles before and after, one up close: a slider between both, the amplified difference, and where the model looked.
import { useEffect, useRef, useState } from 'preact/hooks';
import { number, percent, Toggle } from './parts';
import { pictureAt, type PictureRow } from './report';

function Compare({ run, row }: { run: string; row: PictureRow }) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(50);
  const [blink, setBlink] = useState(false);
  useEffect(() => {
    if (!blink) return;
    const timer = setInterval(() => setAt((now) => (now < 50 ? 100 : 0)), 600);
    return () => { clearInterval(timer); setAt(50); };
  }, [blink]);
  const move = (event: PointerEvent) => {
    if (event.type === 'pointermove' && event.pointerType !== 'mouse' && !event.buttons) return;
    const area = box.current!.getBoundingClientRect();
    setBlink(false);
    setAt(Math.round(Math.max(0, Math.min(100, (100 * (event.clientX - area.x)) / area.width))));
  };
  if (!row.pictures.original || !row.pictures.perturbed) return <p class="quiet">The pictures of this tile were not kept.</p>;
  return (
    <div>
      <div ref={box} class="compare" style={{ '--at': `${at}%` }} onPointerDown={move} onPointerMove={move}>
        <img src={pictureAt(run, row.pictures.original)} alt={`original tile ${row.tile}`} draggable={false} />
        <img class="over" src={pictureAt(run, row.pictures.perturbed)} alt="perturbed tile" draggable={false} />
        <b>original</b><b>perturbed</b>
      </div>
      <div class="under slider"><label class="field grow"><span>border between original and perturbed</span>
        <input type="range" min="0" max="100" value={at} onInput={(event) => { setBlink(false); setAt(Number(event.currentTarget.value)); }} aria-valuetext={`${at} % original, ${100 - at} % perturbed`} /></label>
        <button type="button" aria-pressed={blink} onClick={() => setBlink(!blink)}>{blink ? 'Stop' : 'Alternate'}</button></div>
    </div>
  );
}

function Map({ run, path, text, amplified }: { run: string; path?: string; text: string; amplified?: number }) {
  if (!path) return null;
  return <figure><img src={pictureAt(run, path)} alt={text} loading="lazy" /><figcaption>{text}{amplified ? `, × ${number(amplified, 0)}` : ''}</figcaption></figure>;
}

export function Gallery({ run, classes, rows, query, set }: {
  run: string; classes: string[]; rows: PictureRow[]; query: Record<string, string>; set: (values: Record<string, string | number | undefined>) => void;
}) {
  const only = query.only ?? 'all';
  const shown = rows.filter((row) => only === 'all' || row.fooled === (only === 'fooled'));
  const wanted = Number(query.tile ?? -1);
  const firstFooled = Math.max(0, shown.findIndex((row) => row.fooled));
  const place = wanted >= 0 && wanted < shown.length ? wanted : firstFooled;
  const row = shown[place];
  const name = (index: number) => classes[index] ?? `class ${index}`;
  const walk = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const next = (place + step + shown.length) % shown.length;
    set({ tile: next });
    (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('button')[next]?.focus();
  };
  const fooled = rows.filter((one) => one.fooled).length;
  return (
    <>
      <div class="bar"><h3>Tiles up close</h3><Toggle name="only" label="which tiles" value={only} options={[['all', `All ${rows.length}`], ['fooled', `Fooled ${fooled}`], ['held', `Not fooled ${rows.length - fooled}`]]} onChange={(value) => set({ only: value === 'all' ? undefined : value, tile: undefined })} /></div>
      {row ? <div class="inspect">
        <Compare key={row.tile} run={run} row={row} />
        <div>
          <p class="change"><b>{percent(row.score_before)} {name(row.answer_before)}</b> becomes <b>{row.fooled || row.answer_after !== row.answer_before ? `${row.score_answer_after === undefined ? '' : `${percent(row.score_answer_after)} `}${name(row.answer_after)}` : `${percent(row.score_after)} ${name(row.answer_after)}`}</b>
            {row.answer_after !== row.answer_before && <span class="quiet"> ({percent(row.score_after)} {name(row.answer_before)} is left)</span>}</p>
          <p class="quiet">{row.tile}, truly {name(row.label)} · RMSE {number(row.rmse_grey)}, largest change {number(row.linf_grey, 1)} grey levels</p>
          <div class="maps">
            <Map run={run} path={row.pictures.difference} text="difference" amplified={row.amplification} />
            <p class="quiet">Mid-grey: nothing changed. Colour: what was added to or taken from a pixel, {number(row.amplification, 0)} times as strong as it was. Below: where the classifier's answer comes from{row.saliency ? ` (${row.saliency.replaceAll('_', ' ')})` : ''}, bright for more.</p>
            <Map run={run} path={row.pictures.saliency_before} text="saliency before" />
            <Map run={run} path={row.pictures.saliency_after} text="saliency after" />
          </div>
        </div>
      </div> : <p class="quiet">No such tile.</p>}
      <div class="tiles" role="group" aria-label="tiles" onKeyDown={walk}>
        {shown.map((one, i) => (
          <button key={one.tile} type="button" class="tile" aria-pressed={i === place} tabIndex={i === place ? 0 : -1} onClick={() => set({ tile: i })}>
            {one.pictures.perturbed ? <img src={pictureAt(run, one.pictures.perturbed)} alt="" loading="lazy" /> : <i />}
            <span>{name(one.answer_before)} {one.fooled ? <>→ <b>{name(one.answer_after)}</b></> : <span class="quiet">stays</span>}<br /><span class="quiet">RMSE {number(one.rmse_grey)}</span></span>
          </button>
        ))}
      </div>
    </>
  );
}

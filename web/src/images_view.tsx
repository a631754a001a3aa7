// A robustness evaluation: what was done to the tiles, what came of it, and each item up close.
import { useState } from 'preact/hooks';
import { at, useAsk, type RunInfo } from './api';
import { Chart } from './charts';
import { EvaluatePanel } from './evaluate_panel';
import { ItemView } from './item_view';
import { Facts, Loaded, number } from './parts';
import type { Interval, Item, Metrics, Report } from './report';
import { go, href } from './route';

export function Between({ of, digits = 2 }: { of?: Interval; digits?: number }) {
  if (!of || of.value === null) return <>–</>;
  return <>{number(of.value, digits)}{of.low !== null && of.high !== null && <small class="quiet"> {number(of.low, digits)}–{number(of.high, digits)}</small>}</>;
}

const kKinds: Record<string, string> = { attack: 'attack', transform: 'change of the image', universal: 'one perturbation for all', confined: 'confined attack' };

function threatOf(item: Item): string {
  const threat = item.threat ?? {};
  return [threat.budget, threat.steps ? `${threat.steps} steps` : threat.draws ? `${threat.draws} draws` : '', threat.knowledge].filter(Boolean).join(' · ');
}

function Row({ name, metrics, note, item, chosen, run }: { name: string; metrics: Metrics; note: string; item?: Item; chosen?: boolean; run: string }) {
  const stored = (key: string) => number(item?.stored?.[key]);
  return (
    <tr class={chosen ? 'chosen' : ''}>
      <th scope="row">{item ? <a href={href([run, 'robustness'], { item: item.name })} aria-current={chosen ? 'true' : undefined}>{name}</a> : <b>{name}</b>}<br /><small class="quiet">{note}</small></th>
      <td class="meter low" style={{ '--share': metrics.accuracy?.value ?? 0 }}><i aria-hidden="true" /><Between of={metrics.accuracy} /></td>
      <td>{metrics.fooling_rate ? <b><Between of={metrics.fooling_rate} /></b> : '–'}</td>
      <td><Between of={metrics.auc} /></td>
      <td>{number(metrics.sensitivity?.value)} / {number(metrics.specificity?.value)}</td>
      <td>{item?.stored ? ['png', 'jpeg90', 'jpeg75'].map(stored).join(' / ') : '–'}</td>
      <td>{number(item?.energy?.rmse_grey?.median)}</td><td>{number(item?.energy?.ssim?.median, 3)}</td>
    </tr>
  );
}

function Table({ report, run, chosen }: { report: Report; run: string; chosen?: string }) {
  return (
    <div class="wide"><table class="scores evaluation">
      <thead>
        <tr><th scope="col">what was done</th><th scope="col">accuracy</th><th scope="col">fooled</th><th scope="col">AUC</th><th scope="col">sens. / spec.</th><th scope="col">still fooled as<br />PNG / JPEG 90 / 75</th><th scope="col">RMSE,<br />grey levels</th><th scope="col">SSIM</th></tr>
      </thead>
      <tbody>
        <Row name="Nothing" note="the tiles as they are" metrics={report.clean} run={run} />
        {report.items.map((item) => <Row key={item.name} name={item.title} note={[kKinds[item.kind] ?? item.kind, threatOf(item)].filter(Boolean).join(' · ')} metrics={item.metrics} item={item} chosen={item.name === chosen} run={run} />)}
        {report.worst_case && <Row name="Worst for each tile" note={`of ${report.worst_case.items.length} items`} metrics={report.worst_case.metrics} run={run} />}
      </tbody>
      {!!report.tried?.length && <tbody class="tried">
        <tr><th scope="rowgroup" colSpan={8}>Tried on this page</th></tr>
        {report.tried.map((item) => <Row key={item.name} name={item.title} note={[kKinds[item.kind] ?? item.kind, threatOf(item)].filter(Boolean).join(' · ')} metrics={item.metrics} item={item} chosen={item.name === chosen} run={run} />)}
      </tbody>}
    </table></div>
  );
}

// Items with the same axis share a chart.
function Curves({ report }: { report: Report }) {
  const axes = [...new Set(report.items.flatMap((item) => (item.curve?.points.length ? [item.curve.x] : [])))];
  if (!axes.length) return null;
  return (
    <section>
      <h2>Accuracy against strength</h2>
      <div class="pair">{axes.map((axis) => {
        const items = report.items.filter((item) => item.curve?.x === axis);
        const x = [...new Set(items.flatMap((item) => item.curve!.points.map((point) => point.strength)))].sort((a, b) => a - b);
        return <Chart key={axis} title={items.length === 1 ? items[0].title : items.every((one) => one.kind === 'transform') ? 'Changes of the image' : 'Attacks with the same budget'} x={x} xLabel={axis} yLabel="accuracy" low={0} high={1}
          lines={items.map((item) => ({ name: item.title, values: x.map((strength) => item.curve!.points.find((point) => point.strength === strength)?.accuracy ?? null) }))} />;
      })}</div>
    </section>
  );
}

export function ImagesView({ run, query }: { run: RunInfo; query: Record<string, string> }) {
  const [again, setAgain] = useState(0);
  const asked = useAsk<Report>(run.robustness ? at('runs', run.name, 'robustness') : null, again);
  if (!run.robustness) return <p class="problem" role="alert">{run.name}: holds no robustness evaluation.</p>;
  return (
    <Loaded of={asked} what="the evaluation">{(report) => {
      const item = [...report.items, ...(report.tried ?? [])].find((one) => one.name === query.item) ?? report.items.find((one) => one.gallery?.length) ?? report.items[0];
      const data = report.data;
      const set = (values: Record<string, string | number | undefined>) => go(href([run.name, 'robustness'], { ...query, ...values }), true);
      return (
        <>
          <div class="top"><div><h1>{report.title}</h1><p class="quiet">How little does it take to fool this classifier?</p></div></div>
          <section class="panel"><Facts of={[
            ['model', report.model.name], ['classes', report.model.classes.join(', ')], ['tiles', `${data.tiles} of ${data.name}${data.split ? `, ${data.split}` : ''}`],
            ['patients', data.patients ? String(data.patients) : '–'], ['clean accuracy', <Between of={report.clean.accuracy} digits={3} />], ['clean AUC', <Between of={report.clean.auc} digits={3} />],
            ['worst-case accuracy', <Between of={report.worst_case?.metrics.accuracy} digits={3} />], ['calibration error', <Between of={report.clean.ece} digits={3} />]]} /></section>
          <section><h2>What was done, and what came of it</h2><Table report={report} run={run.name} chosen={item?.name} />
            <p class="quiet">Fooled: share of the correctly answered tiles whose answer changes. Ranges: 95 % bootstrap over {data.clusters === 'patient' ? 'patients' : 'tiles'}. RMSE and SSIM: medians over all tiles; one grey level is 1/255.</p></section>
          {run.jobs.includes('evaluate') && <EvaluatePanel run={run.name} first={item?.name} onDone={(name) => { setAgain(again + 1); set({ item: name, tile: undefined }); }} />}
          <Curves report={report} />
          {item && <ItemView key={item.name} run={run.name} report={report} item={item} query={query} set={set} />}
          {!!report.flags?.length && <section><h2>What makes numbers doubtful</h2><ul class="flags">{report.flags.map((flag, i) => <li key={i}><b>{report.items.find((one) => one.name === flag.item)?.title ?? flag.item}</b> {flag.text}</li>)}</ul></section>}
          <section><details><summary>Intended use and limits</summary><p>{report.intended_use}</p><ul>{report.limits?.map((text, i) => <li key={i}>{text}</li>)}</ul>
            <p class="quiet">{report.created_at}{report.seconds ? ` · ${Math.round(report.seconds)} s` : ''}{report.threshold ? ` · threshold ${number(report.threshold.value, 3)}: ${report.threshold.rule}, ${report.threshold.chosen_on}` : ''}</p></details></section>
        </>
      );
    }}</Loaded>
  );
}

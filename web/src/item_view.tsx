// One item of an evaluation: its pictures, its size, and where in the tissue it acts.
import { Chart } from './charts';
import { Gallery } from './gallery';
import { number, percent, plural } from './parts';
import { pictureAt, type Group, type Item, type Report } from './report';

// Share of the images that are fooled within a budget: the distribution of the least that each needs.
function MinimalEnergy({ energy }: { energy: NonNullable<Item['minimal_energy']> }) {
  const places = [...new Set(energy.values)].sort((a, b) => a - b);
  const share = (place: number) => energy.values.filter((value) => value <= place).length / Math.max(1, energy.correct);
  return (
    <div>
      <Chart title="The least that fools each tile" xLabel={`${energy.norm} of the perturbation, ${energy.unit}`} yLabel="share fooled" low={0} high={1}
        x={[0, ...places]} lines={[{ name: 'fooled', values: [0, ...places.map(share)] }]} />
      <p class="quiet">{energy.found} of {plural(energy.correct, 'correctly answered tile')} can be fooled; half of those with {number(energy.median)} {energy.unit}, nine in ten with {number(energy.p90)}. Checked after rounding to 8 bits.</p>
    </div>
  );
}

function Constructs({ item }: { item: Item }) {
  if (!item.constructs?.length) return null;
  const most = Math.max(1e-9, ...item.constructs.map((row) => row.energy_share ?? 0));
  return (
    <div>
      <div class="wide"><table class="scores"><caption>Where its energy lies</caption>
        <thead><tr><th scope="col">construct</th><th scope="col">share of the area</th><th scope="col">of the energy</th><th scope="col">density</th></tr></thead>
        <tbody>{item.constructs.map((row) => <tr key={row.construct}><th scope="row">{row.construct}</th><td>{percent(row.area_share)}</td>
          <td class="meter" style={{ '--share': (row.energy_share ?? 0) / most }}><i aria-hidden="true" />{percent(row.energy_share)}</td><td><b>{number(row.density_ratio)}</b></td></tr>)}</tbody>
      </table></div>
      <p class="quiet">Density above 1: more energy than the construct's share of the area.</p>
    </div>
  );
}

function Confined({ item }: { item: Item }) {
  if (!item.confined?.length) return null;
  return (
    <div class="wide"><table class="scores"><caption>The same attack, confined to one construct</caption>
      <thead><tr><th scope="col">construct</th><th scope="col">area</th><th scope="col">fooled</th><th scope="col">RMSE, grey levels</th></tr></thead>
      <tbody>{item.confined.map((row) => <tr key={row.construct}><th scope="row">{row.construct}</th><td>{percent(row.area_share)}</td>
        <td class="meter" style={{ '--share': row.fooling_rate ?? 0 }}><i aria-hidden="true" />{number(row.fooling_rate)}</td><td>{number(row.rmse_grey)}</td></tr>)}</tbody>
    </table></div>
  );
}

function ByNuclei({ title, groups, digits }: { title: string; groups?: Group[]; digits: number }) {
  if (!groups?.length) return null;
  return (
    <div class="wide"><table class="scores"><caption>{title}</caption>
      <thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">tiles</th><th scope="col">fooled</th></tr></thead>
      <tbody>{groups.map((group, i) => <tr key={i}><td>{number(group.from, digits)}</td><td>{number(group.to, digits)}</td><td>{group.images}</td>
        <td class="meter" style={{ '--share': group.fooling_rate ?? 0 }}><i aria-hidden="true" />{number(group.fooling_rate)}</td></tr>)}</tbody>
    </table></div>
  );
}

function Saliency({ item }: { item: Item }) {
  if (!item.saliency?.length) return null;
  return (
    <div class="wide"><table class="scores"><caption>Saliency before and after: how alike (median)</caption>
      <thead><tr><th scope="col">method</th><th scope="col">rank correlation</th><th scope="col">SSIM</th><th scope="col">top pixels shared</th></tr></thead>
      <tbody>{item.saliency.map((row) => <tr key={row.method}><th scope="row">{row.method.replaceAll('_', ' ')}</th><td>{number(row.spearman?.median)}</td><td>{number(row.ssim?.median)}</td><td>{number(row.top_k?.median)}</td></tr>)}</tbody>
    </table></div>
  );
}

function Universal({ run, item }: { run: string; item: Item }) {
  const universal = item.universal;
  if (!universal) return null;
  const rows = [{ name: 'this perturbation', fooling_rate: item.metrics.fooling_rate?.value ?? null }, ...(universal.controls ?? [])];
  return (
    <section>
      <h3>One perturbation for every tile</h3>
      <div class="pair">
        {universal.picture && <figure class="sheet"><img src={pictureAt(run, universal.picture)} alt={`the perturbation, amplified ${universal.amplification} times`} style={{ width: '320px', imageRendering: 'pixelated' }} />
          <figcaption>amplified {universal.amplification} times around mid-grey</figcaption></figure>}
        <div class="wide"><table class="scores"><caption>Unseen tiles fooled, beside noise of equal size</caption>
          <tbody>{rows.map((row) => <tr key={row.name}><th scope="row">{row.name}</th><td class="meter" style={{ '--share': row.fooling_rate ?? 0 }}><i aria-hidden="true" />{number(row.fooling_rate)}</td></tr>)}</tbody></table></div>
      </div>
    </section>
  );
}

export function ItemView({ run, report, item, query, set }: {
  run: string; report: Report; item: Item; query: Record<string, string>; set: (values: Record<string, string | number | undefined>) => void;
}) {
  const threat = item.threat ?? {}, items = [...report.items, ...(report.tried ?? [])];
  const told = [threat.space && `acts on ${threat.space}`, threat.norm && `norm ${threat.norm}`, threat.budget && `budget ${threat.budget}`, threat.objective && `objective ${threat.objective}`, threat.optimizer, threat.knowledge];
  const more = item.minimal_energy?.values.length || item.constructs?.length || item.confined?.length || item.saliency?.length || item.by_nuclei?.count?.length;
  return (
    <section class="item" aria-label={item.title}>
      <div class="bar"><h2>{item.title}</h2>
        {items.length > 1 && <select aria-label="item" value={item.name} onChange={(event) => set({ item: event.currentTarget.value, tile: undefined })}>{items.map((one) => <option key={one.name} value={one.name}>{one.title}</option>)}</select>}</div>
      <p class="quiet">{told.filter(Boolean).join(' · ')}{item.metrics.wrong_confidence ? ` · fooled tiles are answered with ${percent(item.metrics.wrong_confidence)} confidence` : ''}</p>
      <Universal run={run} item={item} />
      {!!item.gallery?.length && <Gallery run={run} classes={report.model.classes} rows={item.gallery} query={query} set={set} />}
      {!!more && <div class="pair details">
        {!!item.minimal_energy?.values.length && <MinimalEnergy energy={item.minimal_energy} />}
        <Constructs item={item} /><Confined item={item} />
        <ByNuclei title="Fooled, by number of nuclei" groups={item.by_nuclei?.count} digits={0} />
        <ByNuclei title="Fooled, by area of nuclei" groups={item.by_nuclei?.area} digits={2} />
        <Saliency item={item} />
      </div>}
      {!!item.flags?.length && <ul class="flags">{item.flags.map((text, i) => <li key={i}>{text}</li>)}</ul>}
    </section>
  );
}

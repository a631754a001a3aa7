// Small pieces that several views use.
import type { ComponentChildren } from 'preact';
import type { Asked } from './api';

export const number = (value: unknown, digits = 2) =>
  typeof value === 'number' && Number.isFinite(value) ? value.toFixed(digits) : '–';
// Activations differ between models by powers of ten: significant digits, not decimals.
export function amount(value: unknown, digits = 4): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toExponential(2) : size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
}
export const count = (value: number | undefined) => (value ?? 0).toLocaleString('en');
export const percent = (value: number | null | undefined) =>
  value === null || value === undefined ? '–' : `${(100 * value).toFixed(value < 0.1 ? 2 : 0)} %`;
export const plural = (many: number, one: string) => `${count(many)} ${one}${many === 1 ? '' : 's'}`;

// 0 to 10, as view::ScaleStep.
export const scaleStep = (value: number, low = 0) =>
  Math.max(0, Math.min(10, Math.round((10 * (value - low)) / (1 - low)) || 0));

export function Loaded<T>({ of, what, children }: { of: Asked<T>; what: string; children: (data: T) => ComponentChildren }) {
  if (of.error) return <p class="problem" role="alert">{what}: {of.error}</p>;
  if (!of.data) return <p class="quiet" role="status">Loading {what}…</p>;
  return <>{children(of.data)}</>;
}

export function Toggle({ name, label, value, options, onChange }: {
  name: string; label: string; value: string; options: [string, string][]; onChange: (value: string) => void;
}) {
  return (
    <fieldset class="toggle">
      <legend class="unseen">{label}</legend>
      {options.map(([key, text]) => (
        <label key={key}>
          <input type="radio" name={name} value={key} checked={key === value} onChange={() => onChange(key)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return <dl class="facts">{of.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

// The server's answers, as docs/openapi.yaml documents them, and the one way to ask for them.
import { useEffect, useState } from 'preact/hooks';

export interface RunInfo {
  name: string; model: string | null; neurons: boolean; robustness: boolean; pairs: boolean; clusters: boolean; sae: boolean;
  try: boolean; images: boolean; jobs: string[]; units?: number; graphs?: number; unit_name?: string;
}
export interface LayerMeans {
  set: string; layer: number; method: string; title: string; units: number; excluded: number;
  f1: number | null; precision: number | null; recall: number | null;
}
export interface UnitRef { layer: number; index: number }
export interface Overview extends RunInfo {
  hook?: string;
  manifest?: Record<string, unknown>;
  layers?: { layer: number; units: number; graphs: number }[];
  scores?: LayerMeans[];
  polysemanticity?: { layer: number; units: number; polysemanticity: number; clusters: number; single_cluster: number }[];
  highlights?: { best: (UnitRef & { value: number })[]; polysemantic: (UnitRef & { value: number; clusters: number })[] };
}
export interface SaeRow {
  name: string; kind: string; units: number; alive: number; drawn: number; measured: number; single_cluster: number; examples: number;
  clusters: number; mean_distance: number; max_distance: number; intra: number | null; inter: number | null; polysemanticity: number;
  l0?: number; unexplained?: number; dead?: number; loss?: number; loss_recovered?: number | null;
}
export interface LayerMap {
  layer: number; index: number[]; has_graph: boolean[];
  f1: (number | null)[]; polysemanticity: (number | null)[]; firing_rate: (number | null)[];
}
export interface Score {
  set: string; set_title: string; method: string; title: string;
  precision: number | null; recall: number | null; f1: number | null; correlation: number | null; excluded: string;
}
export interface ClusterInfo {
  cluster: number; label: string; members: number; cohesion: number | null; has_graph: boolean;
  similar: (UnitRef & { cluster: number; label: string; similarity: number })[];
}
export interface Neuron extends UnitRef {
  run: string; model: string; hook: string; max_activation: number; has_graph: boolean; training_kind: string;
  stats: { tokens: number; mean: number; deviation: number; maximum: number; minimum: number; firing_rate: number } | null;
  examples: Record<string, number>;
  scores: Score[];
  histogram: { low: number; width: number; counts: number[]; source: string } | null;
  trajectories: { mean: number[]; examples: { example: number; values: number[] }[] } | null;
  measures: Record<string, number | string | null> | null;
  faint: boolean;
  clusters: ClusterInfo[];
  previous: UnitRef | null; next: UnitRef | null;
}
export interface Example {
  kind: string; bin: number; rank: number; half: string; source: string; document: number; pivot: number;
  activation: number; tokens: string[]; activations: (number | null)[]; importances: (number | null)[] | null;
}
export interface ExamplePage { total: number; offset: number; max_activation: number; examples: Example[] }
export interface Prompt {
  ordinal: number; kept: boolean; ratio: number; pivot: number; tokens: string[];
  activations: (number | null)[]; importances: (number | null)[];
  substitution: { position: number; original: string; substitute: string; probability: number } | null;
}
export interface Prompts {
  pruning: { outcome: string; context: number; full_activation: number; pruned_activation: number } | null;
  prompts: Prompt[];
}
export interface Picture {
  svg: string; description: string; words: string; activation_low: number; importance_low: number;
  nodes: { text: string; activating: boolean; activation: number; importance: number; can_end: boolean; examples: number[] }[];
}
export interface Hit extends UnitRef {
  f1: number | null; has_graph: boolean; activating: string[]; context: string[]; label: string | null; cluster?: number;
}
export interface Tried {
  tokens: string[];
  unit: (UnitRef & { max_activation: number; activations: number[]; predicted: number[] | null }) | null;
  top: (UnitRef & { share: number; token: number; has_graph: boolean; f1: number | null })[];
}
export interface Job {
  id: number; kind: string; title: string; state: string; error: string | null; result?: unknown;
  progress: { what: string; unit: string; done: number; total: number };
}
export interface Trial extends UnitRef { trial: number; question: string; texts: { tokens: string[]; pivot: number }[] }

export async function ask<T>(path: string, options: RequestInit = {}): Promise<T> {
  const response = await fetch(path, options);
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error?.message ?? `the server answered ${response.status}`);
  return body as T;
}

export function send<T>(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return ask<T>(path, { method, signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

export const at = (...parts: (string | number)[]) => '/api/' + parts.map((part) => encodeURIComponent(part)).join('/');

export function query(values: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '' && value !== false);
  return given.length ? '?' + new URLSearchParams(given.map(([name, value]) => [name, String(value)])) : '';
}

export interface Asked<T> { data?: T; error?: string; loading: boolean }

// What the server says at `path`; null asks nothing. While a new answer is under way the old one stays.
export function useAsk<T>(path: string | null, again = 0): Asked<T> {
  const [state, setState] = useState<Asked<T>>({ loading: path !== null });
  useEffect(() => {
    if (path === null) return setState({ loading: false });
    const stop = new AbortController();
    setState((old) => ({ data: old.data, loading: true }));
    ask<T>(path, { signal: stop.signal }).then(
      (data) => setState({ data, loading: false }),
      (error: Error) => error.name !== 'AbortError' && setState({ error: error.message, loading: false }),
    );
    return () => stop.abort();
  }, [path, again]);
  return state;
}

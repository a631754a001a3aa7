// report.json of a robustness evaluation, as docs/robustness-report.md describes it. Members that need not be there are optional.
import { at } from './api';

export interface Interval { value: number | null; low: number | null; high: number | null }
export interface Summary { mean: number | null; median: number | null; p10: number | null; p90: number | null; max: number | null }
export interface Metrics {
  tiles?: number; accuracy?: Interval; auc?: Interval; sensitivity?: Interval; specificity?: Interval; ece?: Interval; brier?: Interval;
  fooling_rate?: Interval; reet_ratio?: number | null; input_sensitivity?: number | null; flipped?: number; correct?: number; wrong_confidence?: number | null;
}
export interface CurvePoint { strength: number; accuracy: number | null; fooling_rate: number | null; auc: number | null; rmse_grey: number | null }
export interface PictureRow {
  tile: string; label: number; answer_before: number; answer_after: number; score_before: number; score_after: number; score_answer_after?: number; fooled: boolean;
  rmse_grey: number; linf_grey: number; amplification: number; saliency: string;
  pictures: { original?: string; perturbed?: string; difference?: string; saliency_before?: string; saliency_after?: string };
}
export interface Group { from: number; to: number; images: number; fooling_rate: number | null }
export interface Item {
  name: string; title: string; kind: string;
  threat?: { space?: string; norm?: string | null; budget?: string; grey_levels?: number | null; objective?: string; optimizer?: string; steps?: number; draws?: number; restarts?: number; knowledge?: string };
  metrics: Metrics;
  stored?: Record<string, number | null>;
  curve?: { x: string; points: CurvePoint[] };
  energy?: Record<string, Summary>;
  minimal_energy?: { norm: string; unit: string; correct: number; found: number; values: number[]; median: number | null; p10: number | null; p90: number | null };
  constructs?: { construct: string; area_share: number | null; energy_share: number | null; density_ratio: number | null }[];
  by_nuclei?: { count?: Group[]; area?: Group[] };
  confined?: { construct: string; area_share: number | null; fooling_rate: number | null; flipped: number; correct: number; rmse_grey: number | null }[];
  saliency?: { method: string; spearman?: Summary; ssim?: Summary; top_k?: Summary }[];
  gallery?: PictureRow[];
  universal?: { picture?: string; amplification?: number; controls?: { name: string; fooling_rate: number | null }[] };
  cost?: { forwards?: number; backwards?: number; seconds?: number; model_seconds?: number };
  flags?: string[];
}
export interface Report {
  title: string; created_at?: string; seconds?: number; intended_use?: string; limits?: string[]; compat?: string;
  model: { name: string; file?: string; hash?: string; classes: string[]; positive_class?: number; declared_accuracy?: number | null };
  data: { name: string; split?: string; tiles: number; per_class?: number[]; patients?: number | null; clusters?: string; height?: number; width?: number };
  threshold?: { value: number | null; chosen_on?: string; rule?: string };
  clean: Metrics;
  worst_case?: { metrics: Metrics; items: string[] };
  items: Item[];
  tried?: Item[]; // jobs added them since
  flags?: { item: string; text: string }[];
}

// "gallery/NAME.png" as an address of the server.
export const pictureAt = (run: string, path: string) => at('runs', run, 'pictures', ...path.split('/'));

// The address says everything that a view shows: #/RUN/VIEW/part/part?name=value.
import { useEffect, useState } from 'preact/hooks';

export interface Route { parts: string[]; query: Record<string, string> }

export function parse(hash: string): Route {
  const [path, search = ''] = hash.replace(/^#\/?/, '').split('?');
  const decode = (part: string) => { try { return decodeURIComponent(part); } catch { return part; } };
  return { parts: path.split('/').filter(Boolean).map(decode), query: Object.fromEntries(new URLSearchParams(search)) };
}

export function href(parts: (string | number)[], values: Record<string, string | number | undefined> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined && value !== '') search.set(name, String(value));
  return '#/' + parts.map((part) => encodeURIComponent(part)).join('/') + (search.size ? `?${search}` : '');
}

export const neuronHref = (run: string, unit: { layer: number; index: number }, values = {}) =>
  href([run, 'neuron', unit.layer, unit.index], values);

export function go(address: string, replace = false) {
  if (replace) {
    history.replaceState(null, '', address);
    dispatchEvent(new HashChangeEvent('hashchange'));
  } else {
    location.hash = address;
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const follow = () => setRoute(parse(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}

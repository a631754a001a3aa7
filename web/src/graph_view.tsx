// The picture of a unit's graph as the server draws it (its texts are escaped there), with pan, zoom, tracing of what
// leads to a node, and choosing a node.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Picture } from './api';
import { number, plural } from './parts';

// Parsed as SVG, not as HTML, and without anything that could act: the page's policy would stop it too.
function parsePicture(svg: string): SVGSVGElement | null {
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  if (parsed.nodeName !== 'svg') return null;
  for (const bad of parsed.querySelectorAll('script,foreignObject,iframe,image,a')) bad.remove();
  return document.importNode(parsed, true) as unknown as SVGSVGElement;
}

function reach(svg: SVGSVGElement, start: string, from: string, to: string): Set<string> {
  const seen = new Set([start]), edges = [...svg.querySelectorAll<SVGGElement>('.edge')];
  for (const node of seen) for (const edge of edges) if (edge.dataset[from] === node) seen.add(edge.dataset[to]!);
  return seen;
}

function trace(svg: SVGSVGElement, node: string | null) {
  svg.classList.toggle('tracing', node !== null);
  const near = node === null ? new Set<string>() : new Set([...reach(svg, node, 'to', 'from'), ...reach(svg, node, 'from', 'to')]);
  for (const other of svg.querySelectorAll<SVGGElement>('.node[data-node]')) other.classList.toggle('on', near.has(other.dataset.node!));
  for (const edge of svg.querySelectorAll<SVGGElement>('.edge')) edge.classList.toggle('on', near.has(edge.dataset.from!) && near.has(edge.dataset.to!));
}

export function GraphView({ picture, chosen, onChoose }: { picture: Picture; chosen: number | null; onChoose: (node: number | null) => void }) {
  const holder = useRef<HTMLDivElement>(null);
  const svg = useMemo(() => parsePicture(picture.svg), [picture.svg]);
  const [hover, setHover] = useState<number | null>(null);
  const box = useRef({ x: 0, y: 0, width: 1, height: 1 });
  const size = useRef({ width: 1, height: 1 });
  const show = () => svg?.setAttribute('viewBox', `${box.current.x} ${box.current.y} ${box.current.width} ${box.current.height}`);
  const zoom = (factor: number, cx = 0.5, cy = 0.5) => {
    const old = box.current, width = Math.min(Math.max(old.width * factor, size.current.width / 12), size.current.width * 3);
    const height = (width * old.height) / old.width;
    box.current = { x: old.x + (old.width - width) * cx, y: old.y + (old.height - height) * cy, width, height };
    show();
  };
  const reset = () => { box.current = { x: 0, y: 0, ...size.current }; show(); };

  useEffect(() => {
    if (!svg || !holder.current) return;
    const [, , width, height] = svg.getAttribute('viewBox')!.split(' ').map(Number);
    size.current = { width, height };
    reset();
    svg.style.width = `${width}px`;
    svg.removeAttribute('width');
    svg.removeAttribute('height');
    holder.current.replaceChildren(svg);
    for (const node of svg.querySelectorAll<SVGGElement>('.node[data-node]')) {
      const place = Number(node.dataset.node);
      node.setAttribute('tabindex', '0');
      node.setAttribute('role', 'button');
      node.setAttribute('aria-label', picture.nodes[place]?.text ?? '');
      node.querySelector('title')?.remove(); // the line below the picture says more
      node.onpointerenter = node.onfocus = () => { setHover(place); trace(svg, node.dataset.node!); };
      node.onpointerleave = node.onblur = () => { setHover(null); trace(svg, null); };
    }
  }, [svg]);

  useEffect(() => {
    svg?.querySelectorAll<SVGGElement>('.node[data-node]').forEach((node) => {
      node.classList.toggle('chosen', Number(node.dataset.node) === chosen);
      node.setAttribute('aria-pressed', String(Number(node.dataset.node) === chosen));
    });
  }, [svg, chosen]);

  const choose = (target: EventTarget | null) => {
    const node = (target as Element | null)?.closest<SVGGElement>('.node[data-node]');
    if (node) onChoose(Number(node.dataset.node) === chosen ? null : Number(node.dataset.node));
  };
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const pointer = (event: PointerEvent) => {
    if (event.type === 'pointerdown') drag.current = { x: event.clientX, y: event.clientY, moved: false };
    else if (event.type === 'pointermove' && drag.current) {
      const dx = event.clientX - drag.current.x, dy = event.clientY - drag.current.y;
      if (!drag.current.moved && Math.hypot(dx, dy) < 4) return;
      const scale = 1 / (svg!.getScreenCTM()?.a || 1);
      box.current.x -= dx * scale;
      box.current.y -= dy * scale;
      drag.current = { x: event.clientX, y: event.clientY, moved: true };
      show();
    } else if (event.type === 'pointerup' && drag.current) {
      if (!drag.current.moved) choose(event.target);
      drag.current = null;
    } else if (event.type === 'pointerleave') drag.current = null;
  };
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls as always
    event.preventDefault();
    const area = svg!.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, (event.clientX - area.x) / area.width, (event.clientY - area.y) / area.height);
  };
  const node = picture.nodes[hover ?? chosen ?? -1];
  return (
    <div class="graph">
      <div class="tools">
        <button type="button" onClick={() => zoom(1 / 1.3)} aria-label="zoom in" title="zoom in (Ctrl + wheel)">+</button>
        <button type="button" onClick={() => zoom(1.3)} aria-label="zoom out" title="zoom out (Ctrl + wheel)">−</button>
        <button type="button" onClick={reset}>Fit</button>
      </div>
      <div ref={holder} class="canvas" onPointerDown={pointer} onPointerMove={pointer} onPointerUp={pointer} onPointerLeave={pointer}
        onWheel={wheel} onKeyDown={(event) => (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), choose(event.target))} />
      <p class="quiet hint" aria-live="polite">
        {node ? <><b>{node.text}</b> {node.activating ? `activating token, activation ${number(node.activation)}` : `context token, importance ${number(node.importance)}`}
          {node.can_end ? ', a pattern can end here' : ''} · in {plural(node.examples.length, 'example')}{hover === chosen || hover === null ? '' : '; click to see only those'}</>
          : 'Point at a token to trace what leads to it, click it to see only its examples. Drag to move, Ctrl + wheel to zoom.'}
      </p>
    </div>
  );
}

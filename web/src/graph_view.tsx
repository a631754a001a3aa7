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

// Smaller than this no label can be read; larger than that a graph of three tokens looks like a poster.
const kReadable = 0.78, kLargest = 1.25;

function Legend({ picture }: { picture: Picture }) {
  const strip = (scale: 'act' | 'imp') => <span class="strip" aria-hidden="true" data-shade={scale === 'act' ? 'activation' : 'importance'}>{Array.from({ length: 10 }, (_, i) => <i class={`${scale}-${i + 1}`} />)}</span>;
  return (
    <p class="quiet legend key-of-graph">
      <span>{strip('act')} fires here, {number(picture.activation_low, 1)} to 1 of the largest</span>
      {picture.nodes.some((node) => !node.activating) && <span>{strip('imp')} context that matters, {number(picture.importance_low, 1)} to 1</span>}
      <span><i class="sample end" aria-hidden="true" /> the pattern can start here</span>
      {picture.svg.includes('class="edge gap"') && <span><i class="sample gap" aria-hidden="true" /> that many tokens of any kind between</span>}
    </p>
  );
}

// Without onChoose nodes are only traced.
export function GraphView({ picture, chosen = null, onChoose }: { picture: Picture; chosen?: number | null; onChoose?: (node: number | null) => void }) {
  const holder = useRef<HTMLDivElement>(null);
  const svg = useMemo(() => parsePicture(picture.svg), [picture.svg]);
  const [hover, setHover] = useState<number | null>(null);
  const [hidden, setHidden] = useState(false); // some of it lies outside of the frame
  const size = useRef({ width: 1, height: 1 });
  const scale = useRef(1);

  // The frame scrolls as everything else does; zooming changes the size of what is in it, around a point of the frame.
  const show = (to: number, cx = 0.5, cy = 0.5) => {
    const frame = holder.current!, old = scale.current;
    scale.current = Math.min(Math.max(to, 0.1), 6);
    const place = (scrolled: number, visible: number, share: number) => ((scrolled + visible * share) / old) * scale.current - visible * share;
    const left = place(frame.scrollLeft, frame.clientWidth, cx), top = place(frame.scrollTop, frame.clientHeight, cy);
    svg!.style.width = `${size.current.width * scale.current}px`;
    svg!.style.height = `${size.current.height * scale.current}px`;
    frame.scrollTo(left, top);
    setHidden(frame.scrollWidth > frame.clientWidth + 2 || frame.scrollHeight > frame.clientHeight + 2);
  };
  const zoom = (factor: number, cx?: number, cy?: number) => show(scale.current * factor, cx, cy);
  const room = () => {
    const frame = holder.current!, css = getComputedStyle(frame);
    return { width: frame.clientWidth - parseFloat(css.paddingLeft) - parseFloat(css.paddingRight), height: parseFloat(css.maxHeight) - parseFloat(css.paddingTop) - parseFloat(css.paddingBottom) };
  };
  const fit = () => show(Math.min(room().width / size.current.width, room().height / size.current.height, kLargest));
  const begin = () => {
    show(Math.min(Math.max(room().width / size.current.width, kReadable), kLargest));
    holder.current!.scrollTo(holder.current!.scrollWidth, 0); // where it fires
  };

  useEffect(() => {
    if (!svg || !holder.current) return;
    const [, , width, height] = svg.getAttribute('viewBox')!.split(' ').map(Number);
    size.current = { width, height };
    svg.removeAttribute('width');
    svg.removeAttribute('height');
    holder.current.replaceChildren(svg);
    begin();
    for (const node of svg.querySelectorAll<SVGGElement>('.node[data-node]')) {
      const place = Number(node.dataset.node);
      node.setAttribute('tabindex', '0');
      node.setAttribute('role', 'button');
      node.setAttribute('aria-label', picture.nodes[place]?.text ?? '');
      node.querySelector('title')?.remove(); // the line below the picture says more
      node.onpointerenter = node.onfocus = () => { setHover(place); trace(svg, node.dataset.node!); };
      node.onpointerleave = node.onblur = () => { setHover(null); trace(svg, null); };
    }
    let known = holder.current.clientWidth;
    const observer = new ResizeObserver(() => {
      if (!holder.current || holder.current.clientWidth === known) return;
      known = holder.current.clientWidth;
      begin();
    });
    observer.observe(holder.current);
    return () => observer.disconnect();
  }, [svg]);

  useEffect(() => {
    svg?.querySelectorAll<SVGGElement>('.node[data-node]').forEach((node) => {
      node.classList.toggle('chosen', Number(node.dataset.node) === chosen);
      node.setAttribute('aria-pressed', String(Number(node.dataset.node) === chosen));
    });
  }, [svg, chosen]);

  const choose = (target: EventTarget | null) => {
    const node = (target as Element | null)?.closest<SVGGElement>('.node[data-node]');
    if (node) onChoose?.(Number(node.dataset.node) === chosen ? null : Number(node.dataset.node));
  };
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const pointer = (event: PointerEvent) => {
    if (event.type === 'pointerdown') drag.current = { x: event.clientX, y: event.clientY, moved: false };
    else if (event.type === 'pointermove' && drag.current) {
      const dx = event.clientX - drag.current.x, dy = event.clientY - drag.current.y;
      if (!drag.current.moved && Math.hypot(dx, dy) < 4) return;
      if (event.pointerType === 'mouse') holder.current!.scrollBy(-dx, -dy); // fingers scroll by themselves
      drag.current = { x: event.clientX, y: event.clientY, moved: true };
    } else if (event.type === 'pointerup' && drag.current) {
      if (!drag.current.moved) choose(event.target);
      drag.current = null;
    } else if (event.type === 'pointerleave' || event.type === 'pointercancel') drag.current = null;
  };
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls as always
    event.preventDefault();
    const area = holder.current!.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1 / 1.15 : 1.15, (event.clientX - area.x) / area.width, (event.clientY - area.y) / area.height);
  };
  const node = picture.nodes[hover ?? chosen ?? -1];
  return (
    <div class="graph">
      {picture.words && <p class="words">{picture.words}</p>}
      <div ref={holder} class="canvas" tabIndex={hidden ? 0 : undefined} role={hidden ? 'group' : undefined} aria-label={hidden ? 'the graph; arrow keys scroll' : undefined}
        onPointerDown={pointer} onPointerMove={pointer} onPointerUp={pointer} onPointerLeave={pointer} onPointerCancel={pointer}
        onWheel={wheel} onKeyDown={(event) => (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), choose(event.target))} />
      <Legend picture={picture} />
      <div class="hint"><p class="quiet" aria-live="polite">
        {node ? <><b>{node.text}</b> {node.activating ? `activating token, activation ${number(node.activation)}` : `context token, importance ${number(node.importance)}`}
          {node.can_end ? ', a pattern can start here' : ''}{onChoose && <> · in {plural(node.examples.length, 'example')}{hover === chosen || hover === null ? '' : '; click to see only those'}</>}</>
          : `${hidden ? 'There is more: scroll or drag, or press Fit.' : 'Read left to right.'} Point at a token to trace what leads to it${onChoose ? ', click it to see only its examples' : ''}.`}
      </p>
        <div class="tools">
          <button type="button" onClick={() => zoom(1.3)} aria-label="zoom in" title="zoom in (Ctrl + wheel)">+</button>
          <button type="button" onClick={() => zoom(1 / 1.3)} aria-label="zoom out" title="zoom out (Ctrl + wheel)">−</button>
          <button type="button" onClick={fit}>Fit</button>
        </div></div>
    </div>
  );
}

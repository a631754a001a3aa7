// A unit's graph as a small picture that leads to the unit; drawn when it comes into sight.
import { useEffect, useRef, useState } from 'preact/hooks';
import { at, query as search, useAsk, type Picture, type UnitRef } from './api';
import { neuronHref } from './route';

export function SmallGraph({ run, unit, caption, cluster, graphed = false, drawn = true }: { run: string; unit: UnitRef; caption: string; cluster?: number; graphed?: boolean; drawn?: boolean }) {
  const card = useRef<HTMLElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), { rootMargin: '200px' });
    observer.observe(card.current!);
    return () => observer.disconnect();
  }, []);
  const picture = useAsk<Picture>(seen && drawn ? at('runs', run, 'neurons', unit.layer, unit.index, 'graph') + search({ nodes: 10, width: 330, cluster: graphed ? cluster : undefined }) : null);
  const values = cluster === undefined ? {} : { cluster };
  return (
    <article class="card" ref={card}>
      <header><a href={neuronHref(run, unit, values)}>{unit.layer}:{unit.index}</a><span class="quiet">{caption}</span></header>
      <a class="small" href={neuronHref(run, unit, values)} tabIndex={-1} aria-hidden="true">
        {picture.data ? <SvgImage svg={picture.data.svg} /> : <span class="quiet">{picture.error || !drawn ? 'no graph yet' : '…'}</span>}
      </a>
      <p class="unseen">{picture.data?.description}</p>
    </article>
  );
}

function SvgImage({ svg }: { svg: string }) {
  const holder = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
    if (parsed.nodeName !== 'svg') return;
    parsed.querySelectorAll('script,foreignObject,title,desc,a,image').forEach((bad) => bad.remove());
    parsed.removeAttribute('aria-labelledby');
    holder.current!.replaceChildren(document.importNode(parsed, true));
  }, [svg]);
  return <span ref={holder} />;
}

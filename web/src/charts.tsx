// Line charts (uPlot) that follow the theme and the width, with the same numbers as a table for screen readers.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { amount } from './parts';
import 'uplot/dist/uPlot.min.css';

export interface Line { name: string; values: (number | null)[]; faint?: boolean; bars?: boolean }

// Okabe and Ito's colours: told apart without full colour vision; dashes tell lines apart in print.
const kColours = { light: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b87f00', '#56b4e9', '#7d8690'], dark: ['#56b4e9', '#ff8a3d', '#2cc79a', '#e29fc5', '#f0c244', '#3f8fd0', '#a3adb8'] };
const kDashes = [[], [6, 3], [2, 3], [8, 3, 2, 3], [4, 4], [1, 3], [10, 4]];

function useDark(): boolean {
  const query = matchMedia('(prefers-color-scheme: dark)');
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const follow = () => setDark(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return dark;
}

export function Chart({ x, lines, xLabel, yLabel, title, height = 230, low, high }: {
  x: number[]; lines: Line[]; xLabel: string; yLabel: string; title: string; height?: number; low?: number; high?: number;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const dark = useDark();
  const strong = lines.filter((line) => !line.faint);
  const key = JSON.stringify([x, lines, low, high]);
  useEffect(() => {
    const element = holder.current!;
    const colours = kColours[dark ? 'dark' : 'light'];
    const css = getComputedStyle(document.documentElement);
    const quiet = css.getPropertyValue('--quiet').trim(), grid = css.getPropertyValue('--line').trim();
    const axis = { stroke: quiet, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid }, font: '12px system-ui', labelFont: '12px system-ui', labelSize: 22 };
    const whole = x.every(Number.isInteger) && x.length <= 40;
    const plot = new uPlot({
      width: element.clientWidth || 400, height, legend: { show: lines.length > 1 && !lines.some((line) => line.faint) },
      scales: { x: { time: false }, y: { range: (_: uPlot, least: number, most: number) => [low ?? Math.min(0, least), high ?? (most > 0 ? most * 1.05 : 1)] } },
      cursor: { y: false },
      axes: [{ ...axis, values: (_: uPlot, places: number[]) => places.map((place) => amount(place, 3)), label: xLabel, size: 32, ...(whole ? { incrs: [1, 2, 5, 10, 20] } : {}) }, { ...axis, label: yLabel, size: 52 }],
      series: [{ label: '\u00a0', value: (_: uPlot, value: number | null) => (value === null ? '' : `${xLabel} ${value}`) }, ...lines.map((line): uPlot.Series => ({
        label: line.name, spanGaps: true, stroke: line.faint ? grid : colours[strong.indexOf(line) % colours.length], width: line.faint ? 1 : 2, dash: line.faint ? [] : kDashes[strong.indexOf(line) % kDashes.length],
        points: { show: !line.faint && !line.bars && x.length < 30, size: 5 },
        ...(line.bars ? { paths: uPlot.paths.bars!({ size: [0.95, 60] }), fill: colours[0], width: 0 } : {}),
        value: (_: uPlot, value: number | null) => (typeof value === 'number' ? value.toFixed(3) : ''),
      }))],
    }, [x, ...lines.map((line) => line.values)] as uPlot.AlignedData, element);
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => { observer.disconnect(); plot.destroy(); };
  }, [key, dark]);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={holder} role="img" aria-label={`${title}; the numbers follow as a table`} />
      <div class="unseen"><table>
        <caption>{title}</caption>
        <thead><tr><th scope="col">{xLabel}</th>{strong.map((line) => <th scope="col">{line.name}</th>)}</tr></thead>
        <tbody>
          {x.map((value, i) => (
            <tr><th scope="row">{value}</th>{strong.map((line) => <td>{line.values[i]?.toFixed(3) ?? '–'}</td>)}</tr>
          ))}
        </tbody>
      </table></div>
    </figure>
  );
}

import type { EChartsOption } from 'echarts';
import { init } from './echarts.ts';
import { html, Html } from './html.ts';

/** The page shows the chart that fits its width: a wide chart scaled down to a phone would not be readable. */
export const ChartSize = {
  wide: { width: 860, isNarrow: false },
  narrow: { width: 344, isNarrow: true },
} as const;
export type ChartSize = (typeof ChartSize)[keyof typeof ChartSize];

/** A chart at one size; lengths in CSS pixels. */
export interface Drawing {
  readonly height: number;
  readonly option: EChartsOption;
}

/**
 * Draws a chart for wide and for narrow pages. Its colours are the page's CSS variables, so that it fits light and dark mode.
 * @param label the description for screen readers
 */
export function drawChart(label: string, drawingAt: (size: ChartSize) => Drawing): Html {
  const svgs = Object.entries(ChartSize).map(([name, size]) => {
    const { height, option } = drawingAt(size);
    const chart = init(null, null, { renderer: 'svg', ssr: true, width: size.width, height });
    try {
      chart.setOption({ animation: false, textStyle: { fontFamily: 'inherit' }, ...option });
      const root = html`<svg
        class="${name}"
        viewBox="0 0 ${size.width} ${height}"
        role="img"
        aria-label="${label}"
      >`;
      const svg = chart.renderToSVGString().replace(/^<svg[^>]*>/, () => root.text);
      // Text of a custom series ignores `inherit`; no label contains this string.
      return new Html(svg.replaceAll('font-family:sans-serif', 'font-family:inherit'));
    } finally {
      chart.dispose();
    }
  });
  return html`${svgs}`;
}

/** The style of an axis. */
export const axisStyle = {
  axisLine: { show: false },
  axisTick: { show: false },
  axisLabel: { color: 'var(--soft)', fontSize: 12 },
  splitLine: { lineStyle: { color: 'var(--grid)' } },
} as const;

/** Colours by meaning; see `page-style.ts`. */
export const colour = {
  answered: 'var(--answered)',
  again: 'var(--again)',
  failed: 'var(--failed)',
  cancelled: 'var(--cancelled)',
  validating: 'var(--validating)',
  running: 'var(--running)',
  finalizing: 'var(--finalizing)',
  unknown: 'var(--cancelled)',
} as const;

/** The legend below a chart. */
export function legend(entries: readonly (readonly [colour: string, label: string])[]): Html {
  return html`<ul class="legend">
    ${entries.map(([fill, label]) => html`<li><span style="background:${fill}"></span>${label}</li>`)}
  </ul>`;
}

/** Cuts a text to at most `length` characters. */
export function shortened(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

import type { EChartsOption } from 'echarts';
import { init } from './echarts.ts';
import { html, Html } from './html.ts';

/** A page shows the one that fits; text in a drawing that is scaled down to a phone could not be read. */
export const ChartSize = {
  wide: { width: 860, isNarrow: false },
  narrow: { width: 344, isNarrow: true },
} as const;
export type ChartSize = (typeof ChartSize)[keyof typeof ChartSize];

/** What is drawn at a size; lengths in CSS pixels. */
export interface Drawing {
  readonly height: number;
  readonly option: EChartsOption;
}

/**
 * Draws a chart for wide and for narrow pages. Its colours are the page's CSS variables, so that one drawing serves
 * light and dark.
 * @param label what somebody hears who does not see it
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
      // Texts of a custom series take no `inherit`; no text of ours holds this.
      return new Html(svg.replaceAll('font-family:sans-serif', 'font-family:inherit'));
    } finally {
      chart.dispose();
    }
  });
  return html`${svgs}`;
}

/** The look of an axis. */
export const axisLook = {
  axisLine: { show: false },
  axisTick: { show: false },
  axisLabel: { color: 'var(--soft)', fontSize: 12 },
  splitLine: { lineStyle: { color: 'var(--grid)' } },
} as const;

/** Colours by what they mean; see `page-style.ts`. */
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

/** Words for the colours of a drawing, beneath it. */
export function legend(entries: readonly (readonly [colour: string, words: string])[]): Html {
  return html`<ul class="legend">
    ${entries.map(([fill, words]) => html`<li><span style="background:${fill}"></span>${words}</li>`)}
  </ul>`;
}

/** A text that may be long, for a place that is not. */
export function shortened(text: string, length: number): string {
  const signs = Array.from(text);
  return signs.length <= length ? text : `${signs.slice(0, length - 1).join('')}…`;
}

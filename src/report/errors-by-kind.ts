import { count } from '../core/number-format.ts';
import { axisStyle, colour, drawChart, shortened } from './chart.ts';
import { html, type Html } from './html.ts';
import type { ReportShard } from './report-data.ts';
import { table } from './table.ts';

const DRAWN = 12;
const LISTED = 50;
const EXAMPLES = 5;

interface ErrorSum {
  readonly code: string;
  lines: number;
  readonly examples: number[];
}

/** The errors of lines, with a few line numbers each; null without errors. */
export function errorsSection(shards: readonly ReportShard[]): Html | null {
  const errors = sumErrors(shards);
  if (errors.length === 0) return null;
  const drawn = errors.slice(0, DRAWN);
  const label = `Errors of lines: ${drawn.map(({ code, lines }) => `${count(lines)} ${code}`).join(', ')}.`;
  const chart = drawChart(label, (size) => ({
    height: drawn.length * 26 + 12,
    option: {
      grid: { left: size.isNarrow ? 130 : 230, right: 64, top: 4, bottom: 4 },
      xAxis: { type: 'value', show: false, min: 0 },
      yAxis: {
        type: 'category',
        inverse: true,
        data: drawn.map(({ code }) => shortened(code, size.isNarrow ? 18 : 32)),
        ...axisStyle,
        splitLine: { show: false },
      },
      series: [
        {
          type: 'bar',
          silent: true,
          barWidth: 14,
          itemStyle: { color: colour.failed },
          label: {
            show: true,
            position: 'right',
            color: 'var(--soft)',
            formatter: ({ value }) => count(Number(value)),
          },
          data: drawn.map(({ lines }) => lines),
        },
      ],
    },
  }));
  const listed = errors.slice(0, LISTED);
  return html`<section>
    <h2>Errors by kind</h2>
    <p>
      How often each error occurred, including lines that were sent again and answered later. Examples are
      line numbers of the input; the message of a failed line is in its row of <code>results.jsonl</code>.
    </p>
    <figure>${chart}</figure>
    ${table(
      'Errors by kind',
      ['error', 'times', 'for example lines'],
      listed.map(({ code, lines, examples }) => [
        code,
        count(lines),
        examples.length === 0 ? 'not kept' : `no. ${examples.map(count).join(' · ')}`,
      ]),
    )}
    ${errors.length > LISTED ? html`<p>${count(errors.length - LISTED)} more kinds are in <code>report.json</code>.</p>` : null}
  </section>`;
}

function sumErrors(shards: readonly ReportShard[]): ErrorSum[] {
  const errors = new Map<string, ErrorSum>();
  for (const shard of shards) {
    for (const [code, lines] of Object.entries(shard.errors)) {
      const sum = errors.get(code) ?? { code, lines: 0, examples: [] };
      errors.set(code, sum);
      sum.lines += lines;
      // A line may have the same error in several rounds.
      for (const line of (Object.hasOwn(shard.examples, code) ? shard.examples[code] : null) ?? [])
        if (sum.examples.length < EXAMPLES && !sum.examples.includes(line)) sum.examples.push(line);
    }
  }
  return [...errors.values()].sort((a, b) => b.lines - a.lines);
}

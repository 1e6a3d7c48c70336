import { count } from '../core/spoken-numbers.ts';
import { axisLook, colour, drawChart, shortened } from './chart.ts';
import { html, type Html } from './html.ts';
import type { ShardStory } from './job-story.ts';
import { table } from './table.ts';

const DRAWN = 12;
const LISTED = 50;
const EXAMPLES = 5;

interface Met {
  readonly code: string;
  lines: number;
  readonly examples: number[];
}

/** Which errors lines met, and a few of the lines that did; null where there were none. */
export function errorsSection(shards: readonly ShardStory[]): Html | null {
  const errors = sumErrors(shards);
  if (errors.length === 0) return null;
  const drawn = errors.slice(0, DRAWN);
  const label = `Errors that lines met: ${drawn.map(({ code, lines }) => `${count(lines)} ${code}`).join(', ')}.`;
  const chart = drawChart(label, (size) => ({
    height: drawn.length * 26 + 12,
    option: {
      grid: { left: size.isNarrow ? 130 : 230, right: 64, top: 4, bottom: 4 },
      xAxis: { type: 'value', show: false, min: 0 },
      yAxis: {
        type: 'category',
        inverse: true,
        data: drawn.map(({ code }) => shortened(code, size.isNarrow ? 18 : 32)),
        ...axisLook,
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
      How often lines met which error, lines that went again and were answered later included. Examples are
      line numbers of the input; the message of a line that failed stands in its row of
      <code>results.jsonl</code>.
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
    ${errors.length > LISTED ? html`<p>${count(errors.length - LISTED)} more kinds stand in <code>report.json</code>.</p>` : null}
  </section>`;
}

function sumErrors(shards: readonly ShardStory[]): Met[] {
  const errors = new Map<string, Met>();
  for (const shard of shards) {
    for (const [code, lines] of Object.entries(shard.errors)) {
      const met = errors.get(code) ?? { code, lines: 0, examples: [] };
      errors.set(code, met);
      met.lines += lines;
      // A line may meet the same error in several rounds.
      for (const line of (Object.hasOwn(shard.examples, code) ? shard.examples[code] : null) ?? [])
        if (met.examples.length < EXAMPLES && !met.examples.includes(line)) met.examples.push(line);
    }
  }
  return [...errors.values()].sort((a, b) => b.lines - a.lines);
}

import type { BarSeriesOption } from 'echarts';
import { count, duration, percent } from '../core/number-format.ts';
import { axisStyle, colour, drawChart, legend } from './chart.ts';
import { html, type Html } from './html.ts';
import type { ReportShard } from './report-data.ts';
import { table } from './table.ts';

interface Round {
  readonly round: number;
  shards: number;
  batches: number;
  lines: number;
  answered: number;
  again: number;
  failed: number;
  cancelled: number;
  /** Durations of batches with known times, in ms. */
  readonly took: number[];
}

const kinds = [
  ['answered', 'answered'],
  ['again', 'sent again'],
  ['failed', 'failed'],
  ['cancelled', 'cancelled'],
] as const;

type Cell = readonly [head: string, cell: (round: Round) => string];

const cells: readonly Cell[] = [
  ['round', ({ round }) => String(round)],
  ['shards', ({ shards }) => count(shards)],
  ['batches', ({ batches }) => count(batches)],
  ['lines', ({ lines }) => count(lines)],
  ['answered', ({ answered }) => count(answered)],
  ['share', ({ answered, lines }) => percent(answered / lines)],
  ['sent again', ({ again }) => count(again)],
  ['failed', ({ failed }) => count(failed)],
  ['cancelled', ({ cancelled }) => count(cancelled)],
  ['median batch', ({ took }) => lengthOf(took[Math.floor(took.length / 2)])],
  ['longest', ({ took }) => lengthOf(took.at(-1))],
];

/** The results of the lines of each round. */
export function roundsSection(shards: readonly ReportShard[]): Html {
  const rounds = sumRounds(shards);
  const label = `Lines by round: ${rounds
    .map(({ round, lines, answered }) => `round ${round}, ${count(answered)} of ${count(lines)} answered`)
    .join('; ')}.`;
  const chart = drawChart(label, (size) => ({
    height: rounds.length * 30 + 40,
    option: {
      grid: { left: 62, right: 40, top: 4, bottom: 32 },
      xAxis: {
        type: 'value',
        minInterval: 1,
        splitNumber: size.isNarrow ? 3 : 6,
        ...axisStyle,
        axisLabel: { ...axisStyle.axisLabel, formatter: count, hideOverlap: true },
      },
      yAxis: {
        type: 'category',
        inverse: true,
        data: rounds.map(({ round }) => `round ${round}`),
        ...axisStyle,
        splitLine: { show: false },
      },
      series: kinds.map(([kind]): BarSeriesOption => ({
        type: 'bar',
        stack: 'lines',
        silent: true,
        barWidth: 16,
        barMinHeight: 3,
        itemStyle: { color: colour[kind], borderColor: 'var(--page)', borderWidth: 1 },
        data: rounds.map((round) => (round[kind] === 0 ? null : round[kind])),
      })),
    },
  }));
  const isCancelled = rounds.some(({ cancelled }) => cancelled > 0);
  const columns = cells.filter(([head]) => head !== 'cancelled' || isCancelled);
  const present = kinds.filter(([kind]) => rounds.some((round) => round[kind] > 0));
  return html`<section>
    <h2>Rounds</h2>
    <p>
      Lines without an answer at the end of a round, if they may be retried, are packed into the shards of the
      next round.
    </p>
    <figure>${chart}${legend(present.map(([kind, label]) => [colour[kind], label] as const))}</figure>
    ${table(
      'Rounds',
      columns.map(([head]) => head),
      rounds.map((round) => columns.map(([, cell]) => cell(round))),
    )}
  </section>`;
}

function sumRounds(shards: readonly ReportShard[]): Round[] {
  const rounds = new Map<number, Round>();
  for (const shard of shards) {
    const { round } = shard;
    const sums = rounds.get(round) ?? emptyRound(round);
    rounds.set(round, sums);
    sums.shards += 1;
    sums.batches += shard.batches.length;
    sums.lines += shard.lines;
    sums.answered += shard.answered;
    sums.again += shard.again;
    sums.failed += shard.failed;
    sums.cancelled += shard.cancelled;
    for (const { createdAt, endedAt } of shard.batches) {
      if (endedAt !== null) sums.took.push(endedAt - createdAt);
    }
  }
  for (const { took } of rounds.values()) took.sort((a, b) => a - b);
  return [...rounds.values()];
}

function emptyRound(round: number): Round {
  return { round, shards: 0, batches: 0, lines: 0, answered: 0, again: 0, failed: 0, cancelled: 0, took: [] };
}

function lengthOf(ms: number | undefined): string {
  return ms === undefined ? '–' : duration(ms);
}

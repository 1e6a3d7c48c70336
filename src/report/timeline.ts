import type { CustomSeriesOption, CustomSeriesRenderItemReturn, LineSeriesOption } from 'echarts';
import { count, duration } from '../core/number-format.ts';
import { axisStyle, colour, drawChart, legend, type ChartSize, type Drawing } from './chart.ts';
import { html, type Html } from './html.ts';
import type { ReportBatch, ReportShard } from './report-data.ts';

/** Up to this many shards have a row each; for more, the chart shows the number of batches in flight over time. */
const ROWS_SHOWN = 60;

/** Time steps of the chart of batches in flight. */
const BINS = 240;

type SegmentKind = 'validating' | 'running' | 'finalizing' | 'unknown';

interface Segment {
  readonly kind: SegmentKind;
  readonly from: number;
  readonly to: number;
}

/** The statuses of batches over time, from the start of the job. */
export function timelineSection(startedAt: string, shards: readonly ReportShard[]): Html | null {
  const sent = shards.filter(({ batches }) => batches.length > 0);
  if (sent.length === 0) return null;
  const batches = sent.flatMap((shard) => shard.batches);
  // The API's clock has whole seconds and may differ from ours: no batch must begin before zero.
  const origin = batches.reduce((least, { createdAt }) => Math.min(least, createdAt), Date.parse(startedAt));
  const end = batches.reduce((most, batch) => Math.max(most, lastKnown(batch)), origin + 1_000);
  const isLarge = sent.length > ROWS_SHOWN;
  const label = `Timeline of ${count(batches.length)} batches of ${count(sent.length)} shards over ${duration(end - origin)}; the table of shards below has the same times.`;
  const chart = drawChart(label, (size) =>
    isLarge ? drawInFlight(batches, origin, end - origin, size) : drawRows(sent, origin, end - origin, size),
  );
  return html`<section>
    <h2>Timeline</h2>
    <p>
      ${
        isLarge
          ? 'The number of batches in flight by status, from the start of the job.'
          : 'Each row is a shard, and each bar a batch from its creation to its end, by the API’s clock, which has whole seconds. The space before a bar is waiting time.'
      }
    </p>
    <figure>
      ${chart}${legend([
        [colour.validating, 'validating'],
        [colour.running, 'running'],
        [colour.finalizing, 'finalizing'],
        ...(batches.some(({ endedAt }) => endedAt === null) && !isLarge
          ? ([[colour.unknown, 'times not known']] as const)
          : []),
        ...(isLarge
          ? []
          : endColours
              .filter(([, , status]) => batches.some((batch) => batch.status === status))
              .map(([fill, label]) => [fill, label] as const)),
      ])}
    </figure>
  </section>`;
}

const endColours = [
  [colour.again, 'ended expired', 'expired'],
  [colour.failed, 'ended failed', 'failed'],
  [colour.cancelled, 'ended cancelled', 'cancelled'],
] as const;

/** Returns the periods in which a batch had each status. */
export function segmentsOf({ createdAt, inProgressAt, finalizingAt, endedAt }: ReportBatch): Segment[] {
  const end = endedAt;
  if (end === null) {
    const to = Math.max(createdAt, inProgressAt ?? 0, finalizingAt ?? 0);
    return [{ kind: 'unknown', from: createdAt, to }];
  }
  const runs = Math.min(inProgressAt ?? end, end);
  const closes = Math.min(Math.max(finalizingAt ?? end, runs), end);
  const segments: Segment[] = [
    { kind: 'validating', from: createdAt, to: runs },
    { kind: 'running', from: runs, to: closes },
    { kind: 'finalizing', from: closes, to: end },
  ];
  return segments.filter(({ from, to }) => to > from);
}

function lastKnown({ createdAt, inProgressAt, finalizingAt, endedAt }: ReportBatch): number {
  return Math.max(createdAt, inProgressAt ?? 0, finalizingAt ?? 0, endedAt ?? 0);
}

/** A row of the chart: a shard, or the heading of a round. */
type Row = { readonly name: string; readonly shard: ReportShard | null };

function drawRows(shards: readonly ReportShard[], origin: number, spanMs: number, size: ChartSize): Drawing {
  const rounds = new Set(shards.map(({ round }) => round));
  const rows: Row[] = [];
  for (const shard of shards) {
    if (rounds.size > 1 && rows.findLast((row) => row.shard !== null)?.shard?.round !== shard.round)
      rows.push({ name: `round ${shard.round}`, shard: null });
    rows.push({ name: shard.id, shard });
  }
  const data = rows.flatMap(({ shard }, row) =>
    (shard?.batches ?? []).map((batch, i, all) => ({
      row,
      batch,
      label: i === all.length - 1 ? labelOf(shard!, batch, size) : '',
    })),
  );
  const series: CustomSeriesOption = {
    type: 'custom',
    silent: true,
    data: data.map(({ row }, i) => [i, row]),
    encode: { x: [], y: 1 },
    renderItem: (params, api): CustomSeriesRenderItemReturn => {
      const { row, batch, label } = data[params.dataIndex]!;
      const at = (time: number): number => api.coord([time - origin, row])[0]!;
      const y = api.coord([0, row])[1]!;
      const thick = size.isNarrow ? 10 : 12;
      const rect = (from: number, to: number, fill: string) => ({
        type: 'rect' as const,
        shape: { x: from, y: y - thick / 2, width: Math.max(2, to - from), height: thick, r: 1.5 },
        style: { fill },
      });
      const known = segmentsOf(batch);
      const segments =
        known.length > 0 ? known : [{ kind: 'running' as const, from: batch.createdAt, to: batch.createdAt }];
      const end = at(lastKnown(batch));
      const mark = endColours.find(([, , status]) => status === batch.status);
      return {
        type: 'group',
        children: [
          ...segments.map(({ kind, from, to }) => rect(at(from), at(to), colour[kind])),
          ...(mark === undefined ? [] : [rect(Math.max(end - 5, at(batch.createdAt)), end + 1, mark[0])]),
          {
            type: 'text' as const,
            style: { x: end + 6, y, text: label, fill: 'var(--soft)', fontSize: 11, verticalAlign: 'middle' },
          },
        ],
      };
    },
  };
  const rowHeight = size.isNarrow ? 17 : 19;
  return {
    height: rows.length * rowHeight + 42,
    option: {
      grid: { left: 74, right: size.isNarrow ? 40 : 150, top: 8, bottom: 34 },
      xAxis: timeAxis(spanMs, size),
      yAxis: {
        type: 'category',
        inverse: true,
        data: rows.map(({ name }) => name),
        ...axisStyle,
        axisLabel: {
          ...axisStyle.axisLabel,
          interval: 0,
          fontSize: 11,
          color: (name) => (String(name).startsWith('round') ? 'var(--ink)' : 'var(--soft)'),
        },
      },
      series: [series],
    },
  };
}

function labelOf({ lines, again, failed }: ReportShard, { status }: ReportBatch, size: ChartSize): string {
  if (size.isNarrow) return count(lines);
  const bad = status === null || status === 'completed' ? [] : [status];
  const rest = again + failed;
  return [
    `${count(lines)} ${lines === 1 ? 'line' : 'lines'}`,
    ...bad,
    ...(rest > 0 ? [`${count(rest)} unanswered`] : []),
  ].join(', ');
}

/** Counts the batches in each status for each time step. */
export function countInFlight(
  batches: readonly ReportBatch[],
  origin: number,
  spanMs: number,
): Record<SegmentKind, number[]> {
  const bins = {
    validating: emptyBins(),
    running: emptyBins(),
    finalizing: emptyBins(),
    unknown: emptyBins(),
  };
  for (const { kind, from, to } of batches.flatMap(segmentsOf)) {
    const first = Math.floor(((from - origin) / spanMs) * BINS);
    const last = Math.max(first + 1, Math.ceil(((to - origin) / spanMs) * BINS));
    bins[kind][first]! += 1;
    bins[kind][Math.min(last, BINS)]! -= 1;
  }
  for (const changes of Object.values(bins)) {
    for (let i = 1; i < changes.length; i += 1) changes[i]! += changes[i - 1]!;
  }
  return bins;
}

function emptyBins(): number[] {
  return Array.from({ length: BINS + 1 }, () => 0);
}

function drawInFlight(
  batches: readonly ReportBatch[],
  origin: number,
  spanMs: number,
  size: ChartSize,
): Drawing {
  const bins = countInFlight(batches, origin, spanMs);
  const series = (['running', 'validating', 'finalizing'] as const).map((kind): LineSeriesOption => ({
    type: 'line',
    stack: 'all',
    step: 'end',
    symbol: 'none',
    silent: true,
    lineStyle: { width: 0 },
    areaStyle: { color: colour[kind], opacity: 1 },
    data: bins[kind].map((n, i) => [Math.round((i * spanMs) / BINS), n]),
  }));
  return {
    height: size.isNarrow ? 220 : 280,
    option: {
      grid: { left: 48, right: 16, top: 30, bottom: 34 },
      xAxis: timeAxis(spanMs, size),
      yAxis: {
        type: 'value',
        minInterval: 1,
        name: 'batches in flight',
        nameTextStyle: { color: 'var(--soft)', align: 'left', padding: [0, 0, 0, -40] },
        ...axisStyle,
      },
      series,
    },
  };
}

const niceSteps = [
  1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
];

/** An axis of the time since the start, with round steps. */
function timeAxis(spanMs: number, { width }: ChartSize): NonNullable<Drawing['option']['xAxis']> {
  const most = width / 95;
  const step =
    (niceSteps.find((seconds) => spanMs / (seconds * 1_000) <= most) ??
      Math.ceil(spanMs / most / 86_400_000) * 86_400) * 1_000;
  return {
    type: 'value',
    min: 0,
    max: spanMs,
    interval: step,
    ...axisStyle,
    splitLine: { ...axisStyle.splitLine, showMaxLine: false },
    axisLabel: {
      ...axisStyle.axisLabel,
      // The end of the axis need not be a multiple of the step.
      formatter: (ms: number) =>
        ms === 0 ? '0' : ms % step !== 0 ? '' : duration(ms).replace(/ 00 (?:s|min)$/, ''),
    },
  };
}

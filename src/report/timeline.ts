import type { CustomSeriesOption, CustomSeriesRenderItemReturn, LineSeriesOption } from 'echarts';
import { count, duration } from '../core/spoken-numbers.ts';
import { axisLook, colour, drawChart, legend, type ChartSize, type Drawing } from './chart.ts';
import { html, type Html } from './html.ts';
import type { BatchStory, ShardStory } from './job-story.ts';

/** Up to so many shards have a row each; more are told by how many batches were in flight when. */
const ROWS_SHOWN = 60;

/** Steps of the drawing of many batches. */
const BINS = 240;

type SegmentKind = 'validating' | 'running' | 'finalizing' | 'unknown';

interface Segment {
  readonly kind: SegmentKind;
  readonly from: number;
  readonly to: number;
}

/** When which batch was at the API, from the job's start on. */
export function timelineSection(startedAt: string, shards: readonly ShardStory[]): Html | null {
  const sent = shards.filter(({ batches }) => batches.length > 0);
  if (sent.length === 0) return null;
  const batches = sent.flatMap((shard) => shard.batches);
  // The API's clock counts whole seconds and need not agree with ours: nothing begins before zero.
  const origin = batches.reduce((least, { createdAt }) => Math.min(least, createdAt), Date.parse(startedAt));
  const end = batches.reduce((most, batch) => Math.max(most, lastKnown(batch)), origin + 1_000);
  const isLarge = sent.length > ROWS_SHOWN;
  const label = `Timeline of ${count(batches.length)} batches of ${count(sent.length)} shards over ${duration(end - origin)}; the table of shards below holds the same times.`;
  const chart = drawChart(label, (size) =>
    isLarge ? drawInFlight(batches, origin, end - origin, size) : drawRows(sent, origin, end - origin, size),
  );
  return html`<section>
    <h2>Timeline</h2>
    <p>
      ${
        isLarge
          ? 'How many batches were at the API, by what it did with them, from the start of the job on.'
          : 'A row is a shard, a bar its batch from created to ended, by the API’s clock, which counts whole seconds. The space before a bar is waiting.'
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
              .map(([fill, words]) => [fill, words] as const)),
      ])}
    </figure>
  </section>`;
}

const endColours = [
  [colour.again, 'ended expired', 'expired'],
  [colour.failed, 'ended failed', 'failed'],
  [colour.cancelled, 'ended cancelled', 'cancelled'],
] as const;

/** From when to when a batch was in which status. */
export function segmentsOf({ createdAt, inProgressAt, finalizingAt, endedAt }: BatchStory): Segment[] {
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

function lastKnown({ createdAt, inProgressAt, finalizingAt, endedAt }: BatchStory): number {
  return Math.max(createdAt, inProgressAt ?? 0, finalizingAt ?? 0, endedAt ?? 0);
}

/** A row of the drawing: a shard, or the name of the round that begins. */
type Row = { readonly name: string; readonly shard: ShardStory | null };

function drawRows(shards: readonly ShardStory[], origin: number, spanMs: number, size: ChartSize): Drawing {
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
        ...axisLook,
        axisLabel: {
          ...axisLook.axisLabel,
          interval: 0,
          fontSize: 11,
          color: (name) => (String(name).startsWith('round') ? 'var(--ink)' : 'var(--soft)'),
        },
      },
      series: [series],
    },
  };
}

function labelOf({ lines, again, failed }: ShardStory, { status }: BatchStory, size: ChartSize): string {
  if (size.isNarrow) return count(lines);
  const bad = status === null || status === 'completed' ? [] : [status];
  const rest = again + failed;
  return [
    `${count(lines)} ${lines === 1 ? 'line' : 'lines'}`,
    ...bad,
    ...(rest > 0 ? [`${count(rest)} unanswered`] : []),
  ].join(', ');
}

/** How many batches were in which status, a step at a time. */
export function countInFlight(
  batches: readonly BatchStory[],
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
  batches: readonly BatchStory[],
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
        ...axisLook,
      },
      series,
    },
  };
}

const niceSteps = [
  1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
];

/** Time since the start, in steps that people count in. */
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
    ...axisLook,
    splitLine: { ...axisLook.splitLine, showMaxLine: false },
    axisLabel: {
      ...axisLook.axisLabel,
      // The end of the axis stands where no step needs to end.
      formatter: (ms: number) =>
        ms === 0 ? '0' : ms % step !== 0 ? '' : duration(ms).replace(/ 00 (?:s|min)$/, ''),
    },
  };
}

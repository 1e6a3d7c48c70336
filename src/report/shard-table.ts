import { count, duration } from '../core/number-format.ts';
import { shortened } from './chart.ts';
import { html, type Html } from './html.ts';
import type { ReportShard } from './report-data.ts';
import { table } from './table.ts';

/** Limits the page to some hundred kB. */
const SHARDS_LISTED = 200;

/** The shards and their batches: all of them, or the most important ones. */
export function shardsSection(startedAt: string, shards: readonly ReportShard[]): Html {
  const listed = choose(shards);
  const columns = shards.some(({ model }) => model !== shards[0]!.model)
    ? cells
    : cells.filter(([head]) => head !== 'model');
  return html`<section>
    <h2>Shards</h2>
    ${
      listed.length === shards.length
        ? null
        : html`<p>
            ${count(listed.length)} of ${count(shards.length)} are listed: those with lines that were sent
            again or failed, then those with the longest batches.
          </p>`
    }
    ${table(
      'Shards',
      columns.map(([head]) => head),
      listed.map((shard) => columns.map(([, cell]) => cell(shard, Date.parse(startedAt)))),
    )}
  </section>`;
}

type Cell = readonly [head: string, cell: (shard: ReportShard, startMs: number) => string];

const cells: readonly Cell[] = [
  ['shard', ({ id }) => id],
  ['lines', ({ lines }) => count(lines)],
  ['answered', ({ answered }) => count(answered)],
  ['sent again', ({ again }) => count(again)],
  ['failed', ({ failed }) => count(failed)],
  ['ended', endOf],
  ['created after', ({ batches }, startMs) => lengthOf(startMs, batches.at(-1)?.createdAt)],
  ['took', ({ batches }) => lengthOf(batches.at(-1)?.createdAt, batches.at(-1)?.endedAt)],
  ['tokens in', ({ inputTokens }) => count(inputTokens)],
  ['tokens out', ({ outputTokens }) => count(outputTokens)],
  ['model', ({ model }) => shortened(model, 40)],
  ['batch', ({ batches }) => shortened(batches.at(-1)?.batchId ?? 'never sent', 60)],
];

function choose(shards: readonly ReportShard[]): ReportShard[] {
  if (shards.length <= SHARDS_LISTED) return [...shards];
  const rank = ({ again, failed, batches }: ReportShard): number =>
    again + failed > 0 || batches.length > 1 ? 1 : 0;
  const longest = ({ batches }: ReportShard): number =>
    Math.max(0, ...batches.map(({ createdAt, endedAt }) => (endedAt ?? createdAt) - createdAt));
  const chosen = new Set(
    [...shards].sort((a, b) => rank(b) - rank(a) || longest(b) - longest(a)).slice(0, SHARDS_LISTED),
  );
  return shards.filter((shard) => chosen.has(shard));
}

function endOf({ batches }: ReportShard): string {
  const last = batches.at(-1);
  if (last === undefined) return 'cancelled';
  return [
    last.status ?? 'not known',
    ...(batches.length > 1 ? [`${batches.length} batches`] : []),
    ...(last.adopted ? ['found by search'] : []),
  ].join(', ');
}

function lengthOf(from: number | undefined, to: number | null | undefined): string {
  return from === undefined || to == null ? '–' : duration(to - from);
}

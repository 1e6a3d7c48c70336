import { lineBlocks } from '../files/line-blocks.ts';
import { inputFiles, jobFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';
import { hasRows, planJobTable, rowColumns, specOf } from './job-table.ts';
import { answerLine } from './table/answer-line.ts';

/** The first rows of a table of results, for people. */
export interface TablePreview {
  readonly columns: readonly string[];
  /** The values of each row, in the order of the columns; null and undefined for none. */
  readonly rows: readonly (readonly unknown[])[];
}

/**
 * Reads the first rows of the results of a finished job, with the columns of its table. Needs no DuckDB.
 * @throws BatchError `store_unavailable`, `bad_input` when a part of the job is no longer in the store
 */
export async function previewTable(store: Store, jobId: string, limit: number): Promise<TablePreview> {
  const spec = await specOf(store, jobId);
  const { answer } = await planJobTable(store, spec, [], null);
  const isTable = hasRows(spec);
  const input = isTable ? (await rowColumns(store, spec)).columns.map(({ name }) => name) : ['custom_id'];
  const results = await firstLines(store, jobFiles.results(jobId), limit);
  const rows = isTable ? await firstLines(store, inputFiles.rows(spec.input.sha256), limit) : [];
  const answers = answer.columns.map(({ name }) => name);
  return {
    columns: [...input, ...answers, 'status', 'error'],
    rows: results.map((text) => {
      const { line: number, json } = answerLine(text, answer.kind);
      const line = JSON.parse(json) as Line;
      const row = isTable ? (JSON.parse(rows[number - 1] ?? '{}') as Record<string, unknown>) : line;
      const values =
        answer.kind === 'properties'
          ? answer.columns.map(({ property }) => (line.answer as Record<string, unknown> | null)?.[property])
          : [line.answer];
      return [...input.map((name) => row[name]), ...values, line.status, line.error];
    }),
  };
}

interface Line extends Record<string, unknown> {
  readonly status: string;
  readonly error: string | null;
  readonly answer: unknown;
}

async function firstLines(store: Store, key: string, limit: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const block of lineBlocks(store.readStream(key))) {
    lines.push(...block.slice(0, limit - lines.length));
    if (lines.length >= limit) break;
  }
  return lines;
}

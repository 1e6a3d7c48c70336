import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { requestTemplateOf, type TemplateOptions } from '../../src/client/index.ts';
import { checkJobOptions, resolveJobSpec, type JobSpec } from '../../src/core/job-spec.ts';
import { materializeRows } from '../../src/input/table/materialize-rows.ts';
import type { RowSource } from '../../src/input/table/row-source.ts';
import { keepTemplate, templateReference } from '../../src/job/job-template.ts';
import { FolderStore } from '../../src/store/folder-store.ts';
import { jobFiles, shardFiles } from '../../src/store/job-files.ts';
import type { Row } from './file-job.ts';
import { TempFolder } from './temp-folder.ts';

/** The store of a job that has ended, without workflow and worker: its rows, its template, and the results given. */
export class FinishedJob implements Disposable {
  readonly folder: TempFolder = new TempFolder();
  readonly store: FolderStore = new FolderStore(this.folder.at('store'));
  spec!: JobSpec;

  /** A job over rows. */
  static async overRows(
    source: RowSource,
    template: TemplateOptions,
    results: readonly Partial<Row>[],
  ): Promise<FinishedJob> {
    const job = new FinishedJob();
    const { sha256, bytes, columnsId, source: path } = await materializeRows(source, job.store);
    const made = (await requestTemplateOf(template))!;
    await keepTemplate(job.store, made);
    const checked = { ...checkJobOptions({}), template: templateReference(made, 'rows') };
    const input = { path, bytes, sha256, stored: true, columns: columnsId } as const;
    job.spec = resolveJobSpec(checked, input, `job-${randomUUID()}`);
    job.end(results);
    return job;
  }

  /** A job over ready request lines for one endpoint. */
  static overRequests(endpoint: string, results: readonly Partial<Row>[]): FinishedJob {
    const job = new FinishedJob();
    const input = { path: 'input.jsonl', bytes: 1, sha256: 'x' };
    job.spec = resolveJobSpec(checkJobOptions({}), input, `job-${randomUUID()}`);
    const id = job.spec.jobId;
    job.put(jobFiles.round(id, 1), JSON.stringify({ shards: 1, lines: results.length, rejected: 0 }));
    job.put(shardFiles.manifest(id, 'r1-00001'), JSON.stringify({ endpoint }));
    job.end(results);
    return job;
  }

  /** Writes the results. */
  end(results: readonly Partial<Row>[]): void {
    this.put(jobFiles.spec(this.spec.jobId), JSON.stringify(this.spec));
    const lines = results.map((row, i) => `${JSON.stringify(resultRow({ line: i + 1, ...row }))}\n`);
    this.put(jobFiles.results(this.spec.jobId), lines.join(''));
    this.put(jobFiles.report(this.spec.jobId), JSON.stringify({ job_id: this.spec.jobId }));
  }

  at(...names: string[]): string {
    return this.folder.at(...names);
  }

  private put(key: string, text: string): void {
    const path = this.store.locationOf(key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder.path, { recursive: true, force: true });
  }
}

function resultRow(row: Partial<Row>): Row {
  const { line = 1, id = String(line), status = 'answered', response = null } = row;
  const error = row.error ?? (status === 'answered' ? null : { code: 'server_error', message: 'it failed' });
  const usage = row.usage ?? (status === 'answered' ? { input_tokens: 9, output_tokens: 3 } : null);
  return { line, id, status, attempts: 1, batch_id: 'batch_1', response, error, usage };
}

/** The body of a chat completion with this text. */
export function chatBody(content: string | null): object {
  return {
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  };
}

/** The body of an embedding. */
export function embeddingBody(...vectors: readonly (readonly number[])[]): object {
  return {
    object: 'list',
    data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
  };
}

/** Reads a file by DuckDB: the rows of a query in which `FILE` is the path. */
export async function readBack(path: string, query = 'FROM FILE'): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(
      query.replaceAll('FILE', `'${path.replaceAll("'", "''")}'`),
    );
    return reader.getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The columns of a file and their types, as DuckDB sees them. */
export async function typesOf(path: string): Promise<Record<string, string>> {
  const rows = await readBack(path, 'DESCRIBE FROM FILE');
  return Object.fromEntries(
    rows.map(({ column_name: name, column_type: type }) => [name, type] as [string, string]),
  );
}

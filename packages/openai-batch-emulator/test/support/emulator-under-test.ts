import OpenAI, { APIError } from 'openai';
import type { Batch, BatchCreateParams } from 'openai/resources/batches';
import { onTestFinished } from 'vitest';
import { startEmulator } from 'openai-batch-emulator';
import type { Emulator, EmulatorOptions, FaultRule, LedgerSummary } from 'openai-batch-emulator';

/** An emulator for one test, with the SDK pointed at it; both end with the test. */
export interface UnderTest {
  emulator: Emulator;
  client: OpenAI;
}

export async function startForTest(options: EmulatorOptions = {}): Promise<UnderTest> {
  const emulator = await startEmulator(options);
  onTestFinished(() => emulator.close());
  return { emulator, client: clientOf(emulator.url) };
}

export function clientOf(url: string): OpenAI {
  return new OpenAI({ apiKey: 'sk-test', baseURL: url, maxRetries: 0, timeout: 10_000 });
}

export interface RequestLine {
  custom_id: string;
  method: string;
  url: string;
  body: Record<string, unknown>;
}

export function chatLine(customId: string, text: string = `text of ${customId}`): RequestLine {
  return {
    custom_id: customId,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: text }] },
  };
}

export function chatLines(count: number): RequestLine[] {
  return Array.from({ length: count }, (_, i) => chatLine(`line-${i}`));
}

/** The content of an input file; lines given as text are not changed. */
export function jsonl(lines: readonly (RequestLine | object | string)[]): string {
  return lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
}

export async function upload(
  client: OpenAI,
  content: string,
  filename: string = 'input.jsonl',
): Promise<string> {
  const file = await client.files.create({ file: new File([content], filename), purpose: 'batch' });
  return file.id;
}

/** Uploads the lines and creates a batch of them. */
export async function submit(
  client: OpenAI,
  lines: readonly (RequestLine | object | string)[],
  terms: Partial<BatchCreateParams> = {},
  headers: Record<string, string> = {},
): Promise<Batch> {
  return client.batches.create(
    {
      input_file_id: await upload(client, jsonl(lines)),
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      ...terms,
    },
    { headers },
  );
}

const ENDED = ['completed', 'failed', 'expired', 'cancelled'];

export function untilEnded(client: OpenAI, id: string): Promise<Batch> {
  return untilBatch(client, id, (batch) => ENDED.includes(batch.status));
}

/** Polls a batch until `condition` returns true. */
export async function untilBatch(
  client: OpenAI,
  id: string,
  condition: (batch: Batch) => boolean,
): Promise<Batch> {
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (condition(batch)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface ResultRow {
  id: string;
  custom_id: string;
  response: { status_code: number; request_id: string; body: any } | null;
  error: { code: string; message: string } | null;
}

/** The rows of a result file, in its order; none for an absent file. */
export async function rowsOf(client: OpenAI, fileId: string | null | undefined): Promise<ResultRow[]> {
  if (!fileId) return [];
  const text = await (await client.files.content(fileId)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ResultRow);
}

export async function ledgerOf(emulator: Emulator): Promise<LedgerSummary> {
  return (await admin(emulator, 'GET', '/ledger')) as LedgerSummary;
}

export function addFault(emulator: Emulator, rule: FaultRule): Promise<unknown> {
  return admin(emulator, 'POST', '/faults', rule);
}

export async function admin(
  emulator: Emulator,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await fetch(emulator.adminUrl + path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return response.json();
}

/** The error with which a call is refused. */
export async function refusalOf(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error('The call succeeded.');
}

/** All items of a list, page after page. */
export async function allOf<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

import { expect, test } from 'vitest';
import { isLineFault } from '../../../../src/core/request-line.ts';
import { readRequests, type InputLine } from '../../../../src/file-work/requests/read-requests.ts';
import { previewRequests } from '../../../../src/file-work/requests/preview-requests.ts';
import { renderedInput } from '../../../../src/file-work/requests/rendered-input.ts';
import type { InputReader } from '../../../../src/input/input-reader.ts';
import { jsonlInput } from '../../../../src/input/jsonl-input.ts';
import { documentRows } from '../../../../src/input/table/documents.ts';
import type { RequestTemplate } from '../../../../src/render/request-template.ts';
import { compileTemplate } from '../../../../src/render/compile-template.ts';
import { parseRequestTemplate } from '../../../../src/render/template-schema.ts';
import { arrayInput } from '../../../support/array-input.ts';
import { specFor } from '../../../support/file-job.ts';
import { TempFolder } from '../../../support/temp-folder.ts';
import { writeFileSync } from 'node:fs';

const template = parseRequestTemplate({
  endpoint: '/v1/embeddings',
  model: 'text-embedding-3-small',
  prompt: '{{ text }}',
  id: { column: 'id' },
});

/** What `readRequests` reports of rows: number and body, or number and fault. */
function linesOf(rows: InputReader, shardBytes = 100_000, of: RequestTemplate = template): unknown[] {
  const lines: unknown[] = [];
  readRequests(renderedInput(rows, compileTemplate(of)), {
    spec: { model: null, endpoint: null, shardBytes },
    onBytes: () => undefined,
    onLine: (line) => lines.push(described(line)) > 0,
  });
  return lines;
}

function described({ number, block, start, end, request }: Readonly<InputLine>): unknown {
  if (isLineFault(request)) return [number, request.reason, block.toString('utf8', start, end)];
  const { model, endpoint, bodyStart, bodyEnd } = request;
  expect({ model, endpoint }).toEqual({ model: 'text-embedding-3-small', endpoint: '/v1/embeddings' });
  return [number, (JSON.parse(block.toString('utf8', bodyStart, bodyEnd)) as { input: string }).input];
}

test('rows are request lines with their numbers; blank rows count, and bad rows are bad lines', () => {
  const rows = ['{"id":"a","text":"first"}\r', '', ' {"id":"b","text":""}', '[]', '{"id":"c","text":"é"} '];
  expect(linesOf(arrayInput(rows))).toEqual([
    [1, 'first'],
    [3, 'has an empty prompt', '{"custom_id":"b"}'],
    [4, 'is not a JSON object', '{}'],
    [5, 'é'],
  ]);
});

test('rows that are not UTF-8, too long for a batch, or longer than their request', () => {
  const long = 'x'.repeat(2_000);
  const rows = [
    Buffer.from('{"id":"a","text":"\xff"}', 'latin1'),
    `{"id":"a","text":"${long}"}`,
    `{"id":"a","unused":"${long}","text":"short"}`,
  ];
  expect(linesOf(arrayInput(rows), 1_000)).toEqual([
    [1, 'is not valid UTF-8', rows[0]!.toString()],
    [2, 'is longer than a batch may be (1000 bytes)', expect.any(String)],
    [3, 'short'],
  ]);
});

test('the bytes of the rows are those of the file, and a byte order mark is none of the row', () => {
  using folder = new TempFolder();
  const text = '\ufeff{"id":1,"text":"a\u2028"}\n{"id":2,"text":"b"}\n';
  writeFileSync(folder.at('rows.jsonl'), text);
  const rows = jsonlInput(folder.at('rows.jsonl'));
  expect(linesOf(rows)).toEqual([
    [1, 'a\u2028'],
    [2, 'b'],
  ]);
  const bytes: Buffer[] = [];
  renderedInput(rows, compileTemplate(template)).read({
    maxRowBytes: 1_000,
    onRow: () => undefined,
    onBytes: (piece) => bytes.push(Buffer.from(piece)),
  });
  expect(Buffer.concat(bytes).toString()).toBe(text);
});

test('a document that cannot be read is a bad line with its own reason and id, whatever else the prompt has', async () => {
  using folder = new TempFolder();
  const [good, bad] = [folder.at('a.md'), folder.at('b.md')];
  writeFileSync(good, 'Text with "text":null,"$unreadable":{} in it.');
  writeFileSync(bad, Buffer.from([0xff]));
  const rows: string[] = [];
  for await (const row of documentRows([good, bad], undefined, () => undefined))
    rows.push(JSON.stringify(row));
  const prompt = 'Summarise {{ path }}: {{ text }}';
  const perFile = parseRequestTemplate({ ...template, prompt, id: { column: 'path' } });
  const reason = 'has a document that is not valid UTF-8';
  expect(linesOf(arrayInput(rows), 100_000, perFile)).toEqual([
    [1, `Summarise ${good}: Text with "text":null,"$unreadable":{} in it.`],
    [2, reason, expect.stringContaining(`{"custom_id":${JSON.stringify(bad)}`)],
  ]);
  expect(linesOf(arrayInput(rows), 100_000, { ...perFile, prompt: '{{ text }}' })[1]).toEqual([
    2,
    reason,
    JSON.stringify({ custom_id: bad }),
  ]);
  const spec = specFor(folder.path, '', {});
  expect(await previewRequests(arrayInput(rows), 9, { spec, template: perFile })).toMatchObject({
    requests: 1,
    bad: 1,
    firstBad: { number: 2, fault: { reason } },
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packRetries } from '../../src/file-work/shards/pack-retries.ts';
import { RequestKeys } from '../../src/file-work/requests/request-key.ts';
import { escapeSeparators, SeparatorSearch } from '../../src/file-work/requests/separators.ts';
import { shardFiles } from '../../src/store/job-files.ts';
import { allRequests, JOB, outputRow, plan, settle } from '../support/file-job.ts';
import { TempFolder } from '../support/temp-folder.ts';

/** Texts full of the three characters, of their neighbours in UTF-8, and of escape-like text. */
const text = fc
  .array(
    fc.constantFrom(
      ...Array.from('\u2028\u2029\u0085\u2027\u202a\u0084\u0086\u2018\u00c5\u{1f600}\\"a \n漢\u0000'),
      '\\u2028',
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** JSON that writes its separators raw, as JSON.stringify does. */
const value = fc.letrec((tie) => ({
  any: fc.oneof(text, fc.integer(), fc.array(tie('any'), { maxLength: 3 }), fc.dictionary(text, tie('any'))),
})).any;

const hasSeparator = (bytes: string): boolean => /[\u2028\u2029\u0085]/.test(bytes);
const escapedText = (json: string): string =>
  json.replaceAll(/[\u2028\u2029\u0085]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`);

test('the escaped JSON means the same, has no raw separator, and has the predicted length', () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
      const texts = values.map((it) => JSON.stringify(it));
      const block = Buffer.from(texts.join('\n'));
      const search = new SeparatorSearch();
      search.begin(block);
      let start = 0;
      for (const json of texts) {
        const end = start + Buffer.byteLength(json);
        const raw = block.subarray(start, end);
        const escaped = escapeSeparators(raw);
        expect(escaped.toString()).toBe(escapedText(json));
        expect(escaped.length - raw.length).toBe(search.growth(start, end));
        expect(JSON.parse(escaped.toString())).toEqual(JSON.parse(json));
        if (!hasSeparator(json)) expect(escaped).toBe(raw);
        start = end + 1;
      }
    }),
    { numRuns: 500 },
  );
});

test('uploaded requests mean the same as the input, have no raw separator, keep all other bytes, and stay within the limit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ value, model: fc.constantFrom('m', 'm\u2028', null) }), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.integer({ min: 1_000, max: 1_200 }),
      (entries, shardBytes) => {
        using folder = new TempFolder();
        const bodies = entries.map(({ value, model }) => {
          const more = JSON.stringify({ messages: [value], n: 1 }).replace('"n":1', '"n": 9007199254740993');
          return model === null ? more : `{"model":${JSON.stringify(model)},${more.slice(1)}`;
        });
        const input = bodies.map((body) => `{"custom_id":"\u2028","body":${body}}\n`).join('');
        const round = plan(folder.path, input, { model: 'd\u0085', shardBytes, skipBadLines: true });
        const written = allRequests(folder.path, round);
        expect(hasSeparator(written.join(''))).toBe(false);
        for (const line of written) {
          const { custom_id: id } = JSON.parse(line) as { custom_id: string };
          const body = bodies[Number(id) - 1]!;
          const asked = body.startsWith('{"model"') ? body : `{"model":"d\u0085",${body.slice(1)}`;
          expect(line.slice(line.indexOf('"body":') + 7, -1)).toBe(escapedText(asked));
        }
        for (let i = 1; i <= round.shards; i += 1) {
          const file = readFileSync(join(folder.path, shardFiles.requests(JOB, `r1-0000${i}`)));
          expect(file.length).toBeLessThanOrEqual(shardBytes);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('a line that only its escapes make too long is reported', () => {
  using folder = new TempFolder();
  const line = (text: string): string => `${JSON.stringify({ body: { model: 'm', messages: [text] } })}\n`;
  const options = { shardBytes: 1_000, skipBadLines: true };
  expect(plan(folder.path, line('漢'.repeat(250)), options)).toMatchObject({ lines: 1, rejected: 0 });
  expect(plan(folder.path, line('\u2028'.repeat(250)), options)).toMatchObject({ lines: 0, rejected: 1 });
});

test('a line is sent again without raw separators, even if an earlier version wrote them', () => {
  using folder = new TempFolder();
  const first = plan(folder.path, `${JSON.stringify({ body: { model: 'm', messages: ['a\u2028b'] } })}\n`);
  const requests = join(folder.path, shardFiles.requests(JOB, 'r1-00001'));
  const escaped = readFileSync(requests, 'utf8');
  writeFileSync(requests, escaped.replace('\\u2028', '\u2028'));
  settle(folder.path, 'r1-00001', { output: outputRow(1, { error: { code: 'trouble' } }, 500) });
  const round = {
    job: JOB,
    round: 1,
    shards: first.shards,
    shardLines: 9,
    shardBytes: 10_000,
    cancelled: false,
  };
  expect(allRequests(folder.path, packRetries(folder.path, round), 2)).toEqual([escaped.trimEnd()]);
});

test('a request has the same key raw, escaped, and in a file of either form', () => {
  fc.assert(
    fc.property(value, (it) => {
      const body = JSON.stringify({ model: 'm', messages: [it] });
      const uploaded = (json: string): string => {
        const line = Buffer.from(`{"custom_id":"7","method":"POST","url":"/v1/responses","body":${json}}`);
        return new RequestKeys().ofUploaded(line, 0, line.length, '/v1/responses').key.toString('hex');
      };
      const ofInput = (json: string): string => {
        const block = Buffer.from(json);
        const request = {
          model: 'm',
          endpoint: '/v1/responses' as const,
          bodyStart: 0,
          bodyEnd: block.length,
          escapeBytes: escapeSeparators(block).length - block.length,
          addsModel: false,
          idStart: 0,
          idEnd: 0,
          embeddingInputs: 0,
        };
        return new RequestKeys().ofRequest(block, request).toString('hex').slice(0, 32);
      };
      const keys = [body, escapedText(body)].flatMap((json) => [uploaded(json).slice(0, 32), ofInput(json)]);
      expect(new Set(keys).size).toBe(1);
    }),
    { numRuns: 300 },
  );
});

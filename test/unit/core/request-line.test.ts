import { expect, test } from 'vitest';
import {
  isLineFault,
  readableId,
  requestHead,
  RequestLineReader,
  type LineDefaults,
  type RequestLine,
} from '../../../src/core/request-line.ts';

const open: LineDefaults = { model: null, endpoint: null };

function read(
  line: string,
  defaults: LineDefaults = open,
): RequestLine & { body: string; customId: string | null } {
  const block = Buffer.from(`…${line}…`);
  const found = new RequestLineReader(defaults).read(block, 3, block.length - 3);
  if (isLineFault(found)) throw new Error(found.reason);
  const { bodyStart, bodyEnd, idStart, idEnd } = found;
  return {
    ...found,
    body: block.toString('utf8', bodyStart, bodyEnd),
    customId: idEnd === 0 ? null : (JSON.parse(block.toString('utf8', idStart, idEnd)) as string),
  };
}

function reasonOf(line: string, defaults: LineDefaults = open): string {
  const block = Buffer.from(line);
  const found = new RequestLineReader(defaults).read(block, 0, block.length);
  return isLineFault(found) ? found.reason : 'none';
}

const chat = '{"model":"m","messages":[]}';
const deep = `{"body":{"model":"m","messages":${'['.repeat(300)}${']'.repeat(300)}}}`;

test.each<[line: string, reason: string]>([
  ['', 'is not valid JSON'],
  ['{"body":', 'is not valid JSON'],
  ["{'body':1}", 'is not valid JSON'],
  [`{"body":${chat}} x`, 'is not valid JSON'],
  [`{"body":${chat}}{}`, 'is not valid JSON'],
  [`\ufeff{"body":${chat}}`, 'is not valid JSON'],
  ['[]', 'is not a JSON object'],
  ['"text"', 'is not a JSON object'],
  ['null', 'is not a JSON object'],
  ['1', 'is not a JSON object'],
  ['{}', 'has no "body"'],
  ['{"custom_id":"a","url":"/v1/responses"}', 'has no "body"'],
  ['{"body":"text"}', 'has a "body" that is not an object'],
  ['{"body":[]}', 'has a "body" that is not an object'],
  ['{"body":null}', 'has a "body" that is not an object'],
  ['{"body":{"messages":[]}}', 'names no model'],
  ['{"body":{"model":null,"messages":[]}}', 'names no model'],
  ['{"body":{"model":"","messages":[]}}', 'names no model'],
  ['{"body":{"model":7,"messages":[]}}', 'names no model'],
  ['{"body":{"model":"m","stream":true,"messages":[]}}', 'asks for "stream": true'],
  [`{"url":"/v1/nothing","body":${chat}}`, 'has a "url" that the Batch API lacks'],
  [`{"url":"/v1/videos","body":${chat}}`, 'has a "url" that the Batch API lacks'],
  [`{"url":7,"body":${chat}}`, 'has a "url" that the Batch API lacks'],
  [`{"url":"v1/responses","body":${chat}}`, 'has a "url" that the Batch API lacks'],
  [`{"method":"GET","body":${chat}}`, 'has a "method" other than POST'],
  [`{"method":null,"body":${chat}}`, 'has a "method" other than POST'],
  [`{"custom_id":7,"body":${chat}}`, 'has a "custom_id" that is not a string'],
  [`{"custom_id":{},"body":${chat}}`, 'has a "custom_id" that is not a string'],
  ['{"body":{"model":"m"}}', 'does not say its endpoint'],
  ['{"url":"/v1/chat/completions","body":{"model":"m"}}', 'has no "messages" in its body'],
  ['{"url":"/v1/embeddings","body":{"model":"m"}}', 'has no "input" in its body'],
  ['{"url":"/v1/moderations","body":{"model":"m"}}', 'has no "input" in its body'],
  ['{"url":"/v1/completions","body":{"model":"m"}}', 'has no "prompt" in its body'],
  ['{"url":"/v1/images/generations","body":{"model":"m"}}', 'has no "prompt" in its body'],
  ['{"url":"/v1/images/edits","body":{"model":"m"}}', 'has no "prompt" in its body'],
  [`{"b\\u006fdy":${chat}}`, 'spells a key with escapes'],
  ['{"body":{"m\\u006fdel":"m","messages":[]}}', 'spells a key with escapes'],
  [deep, 'is nested too deep'],
])('%s %s', (line, reason) => {
  expect(reasonOf(line)).toBe(reason);
});

test('refuses more inputs than one embeddings request may have', () => {
  const line = (count: number): string =>
    `{"url":"/v1/embeddings","body":{"model":"m","input":${JSON.stringify(Array.from({ length: count }, () => 'x'))}}}`;
  expect(reasonOf(line(2_049))).toBe('has 2049 inputs');
  expect(read(line(2_048)).embeddingInputs).toBe(2_048);
});

test('an error never quotes the line', () => {
  const block = Buffer.from(
    '{"url":"/secret","method":"secret","custom_id":"secret","body":{"model":"secret"}}',
  );
  expect(JSON.stringify(new RequestLineReader(open).read(block, 0, block.length))).not.toContain('secret');
});

test.each<[body: string, endpoint: string]>([
  ['{"model":"gpt-4o-mini","messages":[]}', '/v1/chat/completions'],
  ['{"model":"gpt-4o-mini","input":"x"}', '/v1/responses'],
  ['{"model":"text-embedding-3-small","input":"x"}', '/v1/embeddings'],
  ['{"model":"omni-moderation-latest","input":"x"}', '/v1/moderations'],
  ['{"model":"gpt-image-1","prompt":"x"}', '/v1/images/generations'],
  ['{"model":"gpt-3.5-turbo-instruct","prompt":"x"}', '/v1/completions'],
])('%s goes to %s', (body, endpoint) => {
  expect(read(`{"body":${body}}`).endpoint).toBe(endpoint);
});

test.each<[input: string, count: number]>([
  ['"x"', 1],
  ['["a","b","c"]', 3],
  ['[1,2,3]', 1],
  ['[[1,2],[3]]', 2],
  ['[]', 1],
])('embeddings of %s count as %i inputs', (input, count) => {
  expect(read(`{"url":"/v1/embeddings","body":{"model":"m","input":${input}}}`).embeddingInputs).toBe(count);
});

test('the default endpoint of a line without a url has precedence over the derived one', () => {
  const defaults: LineDefaults = { model: null, endpoint: '/v1/responses' };
  expect(read(`{"body":${chat}}`, defaults).endpoint).toBe('/v1/responses');
  expect(read(`{"url":null,"body":${chat}}`, defaults).endpoint).toBe('/v1/responses');
  expect(read(`{"url":"/v1/chat/completions","body":${chat}}`, defaults).endpoint).toBe(
    '/v1/chat/completions',
  );
});

test('a line without a model gets the default model, with addsModel set', () => {
  const defaults: LineDefaults = { model: 'given', endpoint: null };
  expect(read('{"body":{"messages":[]}}', defaults)).toMatchObject({ model: 'given', addsModel: true });
  expect(read(`{"body":${chat}}`, defaults)).toMatchObject({ model: 'm', addsModel: false });
});

test('the last of duplicate keys counts', () => {
  const line =
    '{"custom_id":"a","custom_id":"b","url":"/v1/responses","url":"/v1/chat/completions",' +
    '"body":{"model":"x","input":"x","stream":true},"body":{"model":"y","model":"z","messages":[]}}';
  expect(read(line)).toMatchObject({
    customId: 'b',
    endpoint: '/v1/chat/completions',
    model: 'z',
    body: '{"model":"y","model":"z","messages":[]}',
  });
  expect(reasonOf('{"body":{"model":"m","messages":[]},"body":{"model":"m"}}')).toBe(
    'does not say its endpoint',
  );
  expect(reasonOf('{"body":{"model":"m","messages":[]},"body":7}')).toBe(
    'has a "body" that is not an object',
  );
});

test.each<[json: string, id: string | null]>([
  ['"plain-1"', 'plain-1'],
  ['"\\u00e9\\n\\"\\\\"', 'é\n"\\'],
  ['"日本語 🎉\u2028"', '日本語 🎉\u2028'],
  [JSON.stringify('x'.repeat(500)), 'x'.repeat(500)],
  ['""', ''],
  ['null', null],
])('reads custom_id %s', (json, id) => {
  expect(read(`{"custom_id":${json},"body":${chat}}`).customId).toBe(id);
});

test('reads models and urls that are written with escapes', () => {
  const line = '{"url":"\\/v1\\/responses","method":"post","body":{"model":"\\u006dini","input":"x"}}';
  expect(read(line)).toMatchObject({ endpoint: '/v1/responses', model: 'mini' });
});

test('accepts white space between all parts and unknown members of any kind', () => {
  const line =
    ' { "x" : [ 1 , { } ] , "method" : "POST" , "body" : { "model" : "m" , "stream" : false , "input" : "x" } }\t';
  expect(read(line).body).toBe('{ "model" : "m" , "stream" : false , "input" : "x" }');
});

test('one reader keeps no state between lines', () => {
  const reader = new RequestLineReader(open);
  const models = ['a', 'b', 'a', 'ab', 'a'].map((model, i) => {
    const url = i % 2 === 0 ? '/v1/responses' : '/v1/completions';
    const block = Buffer.from(`{"url":"${url}","body":{"model":"${model}","prompt":"x"}}`);
    const found = reader.read(block, 0, block.length);
    return isLineFault(found) ? found.reason : `${found.model} ${found.endpoint}`;
  });
  expect(models).toEqual([
    'a /v1/responses',
    'b /v1/completions',
    'a /v1/responses',
    'ab /v1/completions',
    'a /v1/responses',
  ]);
  const bare = Buffer.from('{}');
  expect(reader.read(bare, 0, 2)).toMatchObject({ reason: 'has no "body"' });
});

test.each<[line: string, id: string | null]>([
  ['{"custom_id":"a \\u00e9"}', 'a é'],
  ['{"custom_id":7}', null],
  ['{"custom_id":"a"', null],
  ['null', null],
])('the id of a line that is not a request, %s, is read if possible', (line, id) => {
  expect(readableId(Buffer.from(line))).toBe(id);
});

test('the head of an uploaded line and a body form one JSON object', () => {
  const [before, behind] = requestHead('/v1/responses');
  expect(JSON.parse(`${before}12${behind}{}}`)).toEqual({
    custom_id: '12',
    method: 'POST',
    url: '/v1/responses',
    body: {},
  });
});

test('models and endpoints are those of the line, also if the reader of the file reuses the block', () => {
  const reader = new RequestLineReader(open);
  const block = Buffer.alloc(100);
  const readInto = (url: string, model: string): unknown => {
    const line = `{"url":"${url}","body":{"model":"${model}","input":"x","prompt":"x"}}`;
    const { model: found, endpoint } = reader.read(block, 0, block.write(line)) as RequestLine;
    return [found, endpoint];
  };
  expect(readInto('/v1/completions', 'gpt-a')).toEqual(['gpt-a', '/v1/completions']);
  expect(readInto('/v1/moderations', 'gpt-b')).toEqual(['gpt-b', '/v1/moderations']);
  expect(readInto('/v1/completions', 'gpt-a')).toEqual(['gpt-a', '/v1/completions']);
});

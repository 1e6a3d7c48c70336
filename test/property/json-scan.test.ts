import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonScanner, NOT_JSON } from '../../src/core/json-scan.ts';

/** True when the scanner accepts all of the bytes as one JSON value. */
function scans(bytes: Uint8Array, from = 0, to: number = bytes.length): boolean {
  const scanner = new JsonScanner(bytes);
  const close = scanner.scanValue(scanner.skipSpace(from, to), to);
  return close !== NOT_JSON && scanner.skipSpace(close, to) === to;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The bytes' text, or null when they are not UTF-8, which the scanner does not check. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

const mutated = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.array(
      fc.record({
        at: fc.nat(),
        remove: fc.integer({ min: 0, max: 3 }),
        put: fc.oneof(
          fc.constantFrom(...'{}[]",:\\ \t\r\n0123456789-+.eEtfnu/b\u0000\u001f\u007f\u2028é'.split('')),
          fc.constantFrom('true', 'null', '\\u00', '\\ud800', '"":', '1e', '-0', '00', ',,'),
          fc.constant(''),
        ),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([json, edits]) =>
    edits.reduce((text, { at, remove, put }) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + remove);
    }, json),
  );

const tokens = fc
  .array(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"a"',
      ':',
      ',',
      '1',
      '-',
      '0',
      '.5',
      'e+1',
      'true',
      'nul',
      ' ',
      '"\\n"',
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

test('accepts all JSON text, whatever bytes surround it', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.string(), fc.string(), (json, before, after) => {
      const [head, body, tail] = [before, json, after].map((text) => Buffer.from(text)) as [
        Buffer,
        Buffer,
        Buffer,
      ];
      const bytes = Buffer.concat([head, body, tail]);
      expect(scans(bytes, head.length, head.length + body.length)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('accepts mutated JSON text exactly when JSON.parse does', () => {
  fc.assert(
    fc.property(mutated, (text) => {
      const bytes = Buffer.from(text);
      expect(scans(bytes)).toBe(parses(bytes.toString()));
    }),
    { numRuns: 5_000 },
  );
});

test('accepts sequences of tokens exactly when JSON.parse does', () => {
  fc.assert(
    fc.property(tokens, (text) => {
      expect(scans(Buffer.from(text))).toBe(parses(text));
    }),
    { numRuns: 5_000 },
  );
});

test('accepts random bytes exactly when JSON.parse does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const text = textOf(bytes);
      fc.pre(text !== null);
      expect(scans(bytes)).toBe(parses(text));
    }),
    { numRuns: 5_000 },
  );
});

test('accepts strings of ordinary and special characters at any place exactly when JSON.parse does', () => {
  const part = fc.constantFrom(
    ...'"\\/u0\u001f\u0000 !#[]~\u007fé漢\u0085'.split(''),
    'abcd',
    '\\n',
    '\\u00e9',
    '\\"',
  );
  const inside = fc.array(part, { maxLength: 24 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(inside, fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), (text, before, after) => {
      const [head, body] = [Buffer.from(before), Buffer.from(`"${text}"`)];
      const bytes = Buffer.concat([head, body, Buffer.from(after)]);
      expect(scans(bytes, head.length, head.length + body.length)).toBe(parses(body.toString()));
    }),
    { numRuns: 10_000 },
  );
});

test('never reads a value beyond its end', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (json, cut) => {
      const bytes = Buffer.from(json);
      const end = cut % (bytes.length + 1);
      const text = textOf(bytes.subarray(0, end));
      fc.pre(text !== null);
      expect(scans(bytes, 0, end)).toBe(parses(text));
    }),
    { numRuns: 2_000 },
  );
});

test('returns the exact slices of keys and values of an object', () => {
  const members = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.json({ maxDepth: 3 })), {
    maxLength: 8,
  });
  const space = fc.constantFrom('', ' ', '\t', '\r\n');
  fc.assert(
    fc.property(members, space, space, (pairs, one, two) => {
      const parts = pairs.map(([key, value]) => `${one}${JSON.stringify(key)}${two}:${one}${value}${two}`);
      const bytes = Buffer.from(`{${parts.join(',')}}`);
      const scanner = new JsonScanner(bytes);
      const found: [string, string][] = [];
      const close = scanner.scanObject(0, bytes.length, (keyStart, keyEnd, valueStart) => {
        const end = scanner.scanValue(valueStart, bytes.length);
        found.push([bytes.toString('utf8', keyStart, keyEnd), bytes.toString('utf8', valueStart, end)]);
        return end;
      });
      expect(close).toBe(bytes.length);
      expect(found).toEqual(pairs.map(([key, value]) => [JSON.stringify(key).slice(1, -1), value.trim()]));
    }),
    { numRuns: 500 },
  );
});

test('scans values nested as deep as its limit, and rejects deeper ones', () => {
  const nested = (depth: number): Buffer => Buffer.from(`${'[{"a":'.repeat(depth)}1${'}]'.repeat(depth)}`);
  expect(scans(nested(100_000))).toBe(true);
  expect(scans(nested(500_001))).toBe(false);
  const scanner = new JsonScanner(Buffer.from('[[[]]]'), 3);
  expect(scanner.scanValue(0, 6)).toBe(6);
  expect(scanner.scanValue(0, 6, 1)).toBe(NOT_JSON);
});

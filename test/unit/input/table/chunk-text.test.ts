import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkText } from '../../../../src/input/table/chunk-text.ts';

/** A sentence of so many tokens, with the space after it. */
const sentence = (letter: string, tokens: number): string => `${letter.repeat(tokens * 4 - 2)}. `;

const tokensOf = (text: string): number => {
  let ascii = 0;
  let others = 0;
  for (const character of text) {
    if (character.codePointAt(0)! < 0x80) ascii += 1;
    else others += 1;
  }
  return ascii / 4 + others;
};

test('a text that fits is one chunk, without white space around it', () => {
  expect(chunkText('\n Some text.\n\nMore.\n', { tokens: 100 })).toEqual(['Some text.\n\nMore.']);
  expect(chunkText(' \n', { tokens: 100 })).toEqual(['']);
});

test('a chunk ends with a paragraph if it is then at least half full', () => {
  const text = `${sentence('a', 6)}\n\n${sentence('b', 3)}${sentence('c', 6)}`;
  expect(chunkText(text, { tokens: 10 }).map((chunk) => chunk[0])).toEqual(['a', 'b']);
});

test('else it ends with a sentence', () => {
  const text = `${sentence('a', 2)}\n\n${sentence('b', 7)}${sentence('c', 6)}`;
  expect(chunkText(text, { tokens: 10 }).map((chunk) => chunk.replaceAll(/[^abc]/g, ''))).toEqual([
    `${'a'.repeat(6)}${'b'.repeat(26)}`,
    'c'.repeat(22),
  ]);
});

test('a sentence that is too long is cut between words, and a word that is too long anywhere', () => {
  expect(chunkText('one two three four', { tokens: 2 })).toEqual(['one two', 'three', 'four']);
  expect(chunkText('abcdefghij', { tokens: 1 })).toEqual(['abcd', 'efgh', 'ij']);
});

test('a chunk begins with the last sentences of the one before it, as far as they fit into the overlap', () => {
  const text = ['a', 'b', 'c', 'd', 'e'].map((letter) => sentence(letter, 3)).join('');
  const letters = chunkText(text, { tokens: 10, overlap: 4 }).map((chunk) =>
    [...new Set(chunk.replaceAll(/[^a-e]/g, ''))].join(''),
  );
  expect(letters).toEqual(['abc', 'cde']);
});

test('lines, and the sentences of languages without spaces, are boundaries', () => {
  expect(chunkText('- one two\n- three four', { tokens: 4 })).toEqual(['- one two', '- three four']);
  expect(chunkText('これは。それは。', { tokens: 4 })).toEqual(['これは。', 'それは。']);
});

test('no chunk is larger than asked for, no text is lost, and no character is split', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.lorem({ mode: 'sentences' }),
          fc.constantFrom('\n\n', '\n', ' ', '日本語。', '👩‍👩‍👧', '....'),
        ),
      ),
      fc.integer({ min: 2, max: 50 }),
      fc.integer({ min: 0, max: 25 }),
      (parts, tokens, overlap) => {
        const text = parts.join('');
        const chunks = chunkText(text, { tokens, overlap: Math.min(overlap, Math.floor(tokens / 2)) });
        for (const chunk of chunks) {
          expect(tokensOf(chunk)).toBeLessThanOrEqual(tokens);
          expect(Buffer.from(chunk).toString()).toBe(chunk);
        }
        for (const chunk of chunks) expect(text).toContain(chunk);
        const bare = (some: string): string => some.replaceAll(/\s/g, '');
        if (overlap === 0) expect(bare(chunks.join(''))).toBe(bare(text));
        else expect(chunks.length).toBeGreaterThanOrEqual(chunkText(text, { tokens }).length);
      },
    ),
  );
});

test('takes time in proportion to the length of the text', () => {
  const text = `${'.'.repeat(300_000)}${' '.repeat(300_000)}${'x'.repeat(300_000)}${'。'.repeat(100_000)}`;
  const started = performance.now();
  chunkText(text, { tokens: 500, overlap: 50 });
  expect(performance.now() - started).toBeLessThan(5_000);
});

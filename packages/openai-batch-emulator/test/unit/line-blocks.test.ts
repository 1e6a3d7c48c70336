import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lineStarts, lineText, readBlocks } from '../../src/line-blocks.ts';

async function linesOf(content: string): Promise<{ lines: string[]; firstLines: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'line-blocks-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'input.jsonl');
  writeFileSync(path, content);
  const lines: string[] = [];
  const firstLines: number[] = [];
  for await (const { block, bytes } of readBlocks(path)) {
    const starts = lineStarts(bytes, block.lines);
    firstLines.push(block.firstLine);
    for (let line = 0; line < block.lines; line++) lines.push(lineText(bytes, starts, line));
  }
  return { lines, firstLines };
}

describe('readBlocks', () => {
  it.each([
    ['one line with its newline', 'a\n', ['a']],
    ['one line without', 'a', ['a']],
    ['blank lines', '\n\na\n', ['', '', 'a']],
    ['separators that are not newlines', 'a\u2028b\u2029c\rd\ne', ['a\u2028b\u2029c\rd', 'e']],
    ['an empty file', '', []],
  ])('reads %s', async (_name, content, expected) => {
    expect((await linesOf(content)).lines).toEqual(expected);
  });

  it('joins lines longer than a block and numbers the lines of later blocks', async () => {
    const long = 'x'.repeat(700_000);
    const short = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
    const { lines, firstLines } = await linesOf(['first', long, ...short, long].join('\n'));
    expect(lines).toEqual(['first', long, ...short, long]);
    expect(firstLines.length).toBeGreaterThan(2);
    expect(firstLines[1]).toBe(2);
  });
});

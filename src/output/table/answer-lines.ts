import { stat, writeFile } from 'node:fs/promises';
import { answerLine } from './answer-line.ts';
import type { TablePlan } from './table-plan.ts';

/** The answer lines of a table. */
export interface AnswerLines {
  readonly path: string;
  readonly bytes: number;
  readonly lines: number;
}

/**
 * Writes the answers of rows of results as one line each, in order. If the table has rows of the input, the n-th line is that of its n-th row:
 * a row without a result has an empty object.
 */
export async function writeAnswerLines(
  blocks: AsyncIterable<readonly string[]>,
  { answer, joinsRows }: TablePlan,
  path: string,
): Promise<AnswerLines> {
  let lines = 0;
  async function* pieces(): AsyncGenerator<string, void, undefined> {
    for await (const block of blocks) {
      let piece = '';
      for (const text of block) {
        const { line, json } = answerLine(text, answer.kind);
        const before = joinsRows ? line - 1 : lines;
        for (; lines < before; lines += 1) piece += '{}\n';
        if (lines > before) throw new Error(`Row ${line} of the results is not in order.`);
        lines += 1;
        piece += `${json}\n`;
      }
      yield piece;
    }
  }
  await writeFile(path, pieces(), { flag: 'wx' });
  const { size } = await stat(path);
  return { path, bytes: size, lines };
}

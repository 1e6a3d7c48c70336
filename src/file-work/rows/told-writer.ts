import { AttemptCost } from '../../core/line-attempts.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { readAnswer } from '../../openai/rows/read-answer.ts';
import type { AnswerBodies } from './answer-bodies.ts';
import { lineState, type ShardTally } from './shard-tally.ts';
import { WrongCode } from './wrong-answer.ts';

/** What the next request of a line tells the model: a line of `shardFiles.told`. */
export interface ToldMessages {
  readonly line: number;
  readonly messages: readonly ToldMessage[];
}

interface ToldMessage {
  readonly role: 'assistant' | 'user';
  readonly content: string;
}

/**
 * Writes, in the lines' order, what the next requests of lines with a wrong answer tell the model: the answer, and what is wrong with
 * it. A refusal is not told. Returns false, and writes nothing, if there is nothing to tell.
 */
export function writeTold(path: string, tally: ShardTally, bodies: AnswerBodies): boolean {
  let file: AtomicFileWriter | null = null;
  try {
    for (let position = 0; position < tally.states.length; position += 1) {
      if (tally.states[position] !== lineState.again) continue;
      const { code, message, use } = tally.errors.get(position)!;
      if (use !== AttemptCost.Answer || code === WrongCode.Refused) continue;
      file ??= new AtomicFileWriter(path);
      const { text } = readAnswer(bodies.textOf(position));
      const advice = code === WrongCode.Cut ? 'Answer again, and more briefly.' : 'Answer again.';
      const told: ToldMessages = {
        line: tally.lines.numbers[position]!,
        messages: [
          ...(text === null || text === '' ? [] : [{ role: 'assistant' as const, content: text }]),
          { role: 'user', content: `${message} ${advice}` },
        ],
      };
      file.writeText(`${JSON.stringify(told)}\n`);
    }
    file?.finish();
    return file !== null;
  } catch (error) {
    file?.abandon();
    throw error;
  }
}

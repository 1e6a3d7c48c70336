import { AttemptCost } from '../../core/line-attempts.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { readAnswer } from '../../openai/rows/read-answer.ts';
import type { AnswerBodies } from './answer-bodies.ts';
import { lineState, type ShardTally } from './shard-tally.ts';
import { WrongCode } from './wrong-answer.ts';

/** The messages that the next request of a line adds: a line of `shardFiles.feedback`. */
export interface Feedback {
  readonly line: number;
  readonly messages: readonly FeedbackMessage[];
}

interface FeedbackMessage {
  readonly role: 'assistant' | 'user';
  readonly content: string;
}

/**
 * Writes, in the lines' order, the feedback on wrong answers for the next requests: the answer, and what is wrong with it. A refusal gets
 * none. Returns false, and writes nothing, if there is no feedback.
 */
export function writeFeedback(path: string, tally: ShardTally, bodies: AnswerBodies): boolean {
  let file: AtomicFileWriter | null = null;
  try {
    for (let position = 0; position < tally.states.length; position += 1) {
      if (tally.states[position] !== lineState.again) continue;
      const { code, message, use } = tally.errors.get(position)!;
      if (use !== AttemptCost.Answer || code === WrongCode.Refused) continue;
      file ??= new AtomicFileWriter(path);
      const { text } = readAnswer(bodies.textOf(position));
      const advice = code === WrongCode.Cut ? 'Answer again, and more briefly.' : 'Answer again.';
      const feedback: Feedback = {
        line: tally.lines.numbers[position]!,
        messages: [
          ...(text === null || text === '' ? [] : [{ role: 'assistant' as const, content: text }]),
          { role: 'user', content: `${message} ${advice}` },
        ],
      };
      file.writeText(`${JSON.stringify(feedback)}\n`);
    }
    file?.finish();
    return file !== null;
  } catch (error) {
    file?.abandon();
    throw error;
  }
}

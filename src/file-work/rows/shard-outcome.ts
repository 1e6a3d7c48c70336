import { afterAttempt, AttemptCost, type AttemptLimits } from '../../core/line-attempts.ts';
import { plainCode } from '../../core/plain-code.ts';
import {
  EXAMPLES_KEPT,
  toCarriedLine,
  type CarriedLine,
  type ShardOutcome,
  type WholeRefusal,
} from '../../core/shard-plan.ts';
import { lineState, type ShardTally } from './shard-tally.ts';

/** The outcome of a shard whose tally is complete. */
export function outcomeOf(
  tally: ShardTally,
  limits: AttemptLimits,
  refusal: WholeRefusal | null,
): ShardOutcome {
  const { states, lines, errors, paid, twice } = tally;
  const again: CarriedLine[] = [];
  let answered = 0;
  let failed = 0;
  for (let position = 0; position < states.length; position += 1) {
    const state = states[position];
    if (state === lineState.answered) answered += 1;
    else if (state === lineState.failed) failed += 1;
    else if (state === lineState.again) {
      const line = lines.numbers[position]!;
      const { use } = errors.get(position)!;
      again.push(toCarriedLine(line, afterAttempt(lines.historyOf(line), use, limits)));
    }
  }
  const unpriced = paid.unpriced + twice.unpriced;
  const refusedLines = refusal === null ? accountRefused(tally) : null; // a refused batch has no rows
  return {
    answered,
    failed,
    again,
    ...paid.tokens(),
    ...(paid.source === null || (paid.isEmpty && twice.isEmpty) ? {} : { priceSource: paid.source }),
    ...(unpriced === 0 ? {} : { unpriced }),
    ...errorsByCode(tally),
    ...(twice.isEmpty ? {} : { twice: twice.asTwice() }),
    ...(refusedLines === null ? {} : { accountRefused: refusedLines }),
    ...(refusal === null ? {} : { refusal }),
  };
}

function accountRefused({ errors }: ShardTally): Required<ShardOutcome>['accountRefused'] | null {
  let code: string | null = null;
  let lines = 0;
  for (const error of errors.values()) {
    if (error.use !== AttemptCost.Nothing) continue;
    code ??= plainCode(error.code);
    lines += 1;
  }
  return code === null ? null : { code, lines };
}

function errorsByCode({ errors, lines }: ShardTally): Required<Pick<ShardOutcome, 'errors' | 'examples'>> {
  // Codes are external input: a plain object already has keys such as `constructor`.
  const found = new Map<string, number[]>();
  for (const [position, { code }] of errors) {
    const name = plainCode(code);
    const positions = found.get(name);
    if (positions === undefined) found.set(name, [position]);
    else positions.push(position);
  }
  const entries = [...found];
  const linesOf = (positions: readonly number[]): number[] =>
    firstOf(positions).map((position) => lines.numbers[position]!);
  return {
    errors: Object.fromEntries(entries.map(([name, positions]) => [name, positions.length])),
    examples: Object.fromEntries(entries.map(([name, positions]) => [name, linesOf(positions)])),
  };
}

/** The smallest few positions: errors are in the order in which they were found. */
function firstOf(positions: readonly number[]): number[] {
  return Array.from(positions)
    .sort((a, b) => a - b)
    .slice(0, EXAMPLES_KEPT);
}

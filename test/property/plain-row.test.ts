/** Rows of results that are read without parsing are read as if they were parsed. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerText } from '../../src/openai/rows/answers.ts';
import { readPlainRow } from '../../src/openai/rows/plain-row.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\\', '"', '\\"', '"},"finish_reason":"stop"}],"choices":[', '\ud800', '{"a":"\\n"}'),
);
const plainChoice = fc.record({
  index: fc.constant(0),
  message: fc.record({ role: fc.constant('assistant'), content: text, refusal: fc.constant(null) }),
  finish_reason: fc.constant('stop'),
});
const members = fc.record({
  choices: fc.oneof(
    plainChoice.map((choice) => [choice]),
    fc.array(
      fc.record(
        {
          index: fc.constantFrom(0, 1),
          message: fc.record(
            {
              role: fc.constant('assistant'),
              content: fc.oneof(text, fc.constant(null)),
              refusal: fc.constantFrom(null, 'no'),
              annotations: fc.constantFrom<unknown[]>([], [{ content: 'x' }]),
              tool_calls: fc.constant([{ function: { name: 'f' } }]),
            },
            { requiredKeys: ['role', 'content'] },
          ),
          logprobs: fc.constant(null),
          finish_reason: fc.constantFrom('stop', 'length'),
        },
        { requiredKeys: ['index', 'message'] },
      ),
      { maxLength: 2 },
    ),
  ),
  usage: fc.constantFrom(null, { choices: [] }, { n: 1 }),
});

test('a plain row has the same values as the parsed row', () => {
  let plain = 0;
  fc.assert(
    fc.property(
      fc.nat(),
      text,
      members,
      fc.option(fc.record({ input_tokens: fc.nat(), output_tokens: fc.nat() })),
      (line, id, more, usage) => {
        const response = { id: 'x', object: 'chat.completion', created: 1, model: 'm', ...more };
        const row = {
          line,
          id,
          status: 'answered',
          attempts: 1,
          batch_id: 'b',
          response,
          error: null,
          usage,
        };
        const found = readPlainRow(JSON.stringify(row));
        if (found === null) return;
        plain += 1;
        expect([
          found.line,
          JSON.parse(found.id),
          JSON.parse(found.text),
          found.inputTokens,
          found.outputTokens,
        ]).toEqual([line, id, answerText(row), usage?.input_tokens, usage?.output_tokens]);
      },
    ),
    { numRuns: 3_000 },
  );
  expect(plain).toBeGreaterThan(20);
});

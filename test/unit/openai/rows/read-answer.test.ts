import { describe, expect, test } from 'vitest';
import { readAnswer, type ReadAnswer } from '../../../../src/openai/rows/read-answer.ts';
import { ResultRowReader } from '../../../../src/openai/rows/read-result-row.ts';

const chat = (message: object, finish: string = 'stop'): object => ({
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
});
const part = (text: string): object => ({ type: 'output_text', text, annotations: [] });
const response = (content: object[], more: object = {}): object => ({
  object: 'response',
  status: 'completed',
  output: [
    {
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'no' }],
      content: [{ type: 'reasoning_text', text: 'no' }],
    },
    { type: 'message', role: 'assistant', content },
  ],
  ...more,
});
const incomplete = (reason: string): object => ({ status: 'incomplete', incomplete_details: { reason } });

/** The text that the reader of rows finds in one piece; null if it finds none. */
function textInRow(body: string): string | null {
  const row = Buffer.from(`{"custom_id":"1","response":{"status_code":200,"body":${body}},"error":null}`);
  let text: string | null = null;
  new ResultRowReader(true).readLine(row, 0, row.length, true, ({ source, textStart, textEnd }) => {
    if (textEnd > 0) text = JSON.parse(source.toString('utf8', textStart, textEnd)) as string;
  });
  return text;
}

describe('an answer is read', () => {
  const nothing = { text: null, isRefused: false, isCut: false };
  test.each<[what: string, body: unknown, answer: Partial<ReadAnswer>, inOnePiece: boolean]>([
    ['of a chat completion', chat({ content: '{"a":"é\n"}', refusal: null }), { text: '{"a":"é\n"}' }, true],
    ['with an empty refusal', chat({ content: 'x', refusal: '' }), { text: 'x' }, true],
    [
      'in parts',
      chat({
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      }),
      { text: 'ab' },
      false,
    ],
    ['cut', chat({ content: '{"a"' }, 'length'), { text: '{"a"', isCut: true }, true],
    ['filtered', chat({ content: '' }, 'content_filter'), { text: '', isRefused: true }, true],
    ['a refusal', chat({ content: null, refusal: 'No.' }), { isRefused: true }, false],
    [
      'a refusal in a part',
      chat({ content: [{ type: 'refusal', refusal: 'No.' }] }),
      { isRefused: true },
      false,
    ],
    ['a tool call', chat({ content: null, tool_calls: [] }, 'tool_calls'), {}, false],
    ['without choices', { object: 'chat.completion', choices: [] }, {}, false],
    [
      'of several choices',
      {
        choices: [
          { index: 1, message: { content: 'b' } },
          { index: 0, message: { content: 'a' } },
        ],
      },
      { text: 'a' },
      false,
    ],
    [
      'a refusal beside another choice',
      {
        choices: [
          { index: 0, message: { content: null, refusal: 'No.' } },
          { index: 1, message: { content: 'b' } },
        ],
      },
      { isRefused: true },
      false,
    ],
    [
      'a response whose text is not in a message',
      { object: 'response', output: [{ content: [part('no')], type: 'reasoning' }] },
      {},
      false,
    ],
    [
      'a response whose type comes last',
      { object: 'response', output: [{ content: [part('a')], type: 'message' }] },
      { text: 'a' },
      true,
    ],
    ['of a response', response([part('{"a":1}')]), { text: '{"a":1}' }, true],
    ['of a response in two parts', response([part('{"a"'), part(':1}')]), { text: '{"a":1}' }, false],
    ['a refusal of a response', response([{ type: 'refusal', refusal: 'No.' }]), { isRefused: true }, false],
    [
      'a cut response',
      response([part('{')], incomplete('max_output_tokens')),
      { text: '{', isCut: true },
      true,
    ],
    [
      'a filtered response',
      response([part('{')], incomplete('content_filter')),
      { text: '{', isRefused: true },
      true,
    ],
    ['a response without output', { object: 'response', output: [] }, {}, false],
    ['an unknown form', { data: [] }, {}, false],
    ['nothing but members of other types', { choices: 'x', output: 7 }, {}, false],
  ])('%s', (_, body, answer, inOnePiece) => {
    const json = JSON.stringify(body);
    expect(readAnswer(json)).toEqual({ ...nothing, ...answer });
    expect(textInRow(json)).toBe(inOnePiece ? answer.text : null);
  });

  test('also if keys have escapes or are repeated', () => {
    const escaped = '{"choices":[{"message":{"\\u0063ontent":"x"}}]}';
    expect([readAnswer(escaped).text, textInRow(escaped)]).toEqual(['x', null]);
    const repeated = '{"choices":[{"message":{"content":"a","content":"b"}}]}';
    expect([readAnswer(repeated).text, textInRow(repeated)]).toEqual(['b', null]);
    const twice = '{"choices":[{"message":{"content":"a"}}],"choices":[{"message":{"content":"b"}}]}';
    expect([readAnswer(twice).text, textInRow(twice)]).toEqual(['b', 'b']);
  });

  test('a row is not read if its answer is not JSON', () => {
    for (const body of [
      '{"choices":[{"message":{"content":"a"]}}',
      '{"choices":[{',
      '{"output":[{"content":[{"text"',
    ])
      expect(textInRow(body)).toBeNull();
  });
});

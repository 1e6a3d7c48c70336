import { expect, it } from 'vitest';
import type { FaultRule } from 'openai-batch-emulator';
import { ledgerOf, rowsOf, startForTest, submit, untilEnded } from '../support/emulator-under-test.ts';

const kinds = ['misfit', 'prose', 'refusal', 'cut', 'filtered'] as const;
const schema = {
  type: 'object',
  properties: { label: { type: 'string', enum: ['good', 'bad'] } },
  required: ['label'],
  additionalProperties: false,
};
const faults: FaultRule[] = kinds.map((as, i) => ({
  on: 'line',
  customId: String(i + 1),
  executions: null,
  fault: { kind: 'wrong_answer', as, unlessFeedback: true },
}));

const chat = {
  model: 'gpt-5-mini',
  messages: [{ role: 'user', content: 'hello' }],
  response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
};
const response = {
  model: 'gpt-5-mini',
  input: 'hello',
  text: { format: { type: 'json_schema', name: 'answer', strict: true, schema } },
};
const ids = [...kinds.map((_, i) => String(i + 1)), '6'];

it('answers chat completions wrongly, in each way, and is paid for them', async () => {
  const { client, emulator } = await startForTest({ faults });
  const lines = ids.map((custom_id) => ({
    custom_id,
    method: 'POST',
    url: '/v1/chat/completions',
    body: chat,
  }));
  const batch = await untilEnded(client, (await submit(client, lines)).id);
  const rows = await rowsOf(client, batch.output_file_id);
  const choice = (id: string): any => rows.find((row) => row.custom_id === id)!.response!.body.choices[0];
  expect(choice('1')).toMatchObject({ message: { content: '{"unexpected":true}' }, finish_reason: 'stop' });
  expect(choice('2').message.content).toMatch(/^Here is the answer: \{"label":"(good|bad)"\}$/);
  expect(choice('3')).toMatchObject({
    message: { content: null, refusal: expect.stringMatching(/sorry/) },
    finish_reason: 'stop',
  });
  expect(choice('4')).toMatchObject({
    message: { content: expect.stringMatching(/^\{"lab/) },
    finish_reason: 'length',
  });
  expect(choice('5')).toMatchObject({ message: { content: '' }, finish_reason: 'content_filter' });
  expect(JSON.parse(choice('6').message.content)).toEqual({ label: expect.stringMatching(/good|bad/) });
  expect(await ledgerOf(emulator)).toMatchObject({ lines: 6, paid: 6 });
});

it('answers responses wrongly, in each way, unless an assistant message is in the request', async () => {
  const { client } = await startForTest({ faults });
  const line = (custom_id: string, body: object): object => ({
    custom_id,
    method: 'POST',
    url: '/v1/responses',
    body,
  });
  const terms = { endpoint: '/v1/responses' } as const;
  const lines = ids.map((id) => line(id, response));
  const batch = await untilEnded(client, (await submit(client, lines, terms)).id);
  const rows = await rowsOf(client, batch.output_file_id);
  const body = (id: string): any => rows.find((row) => row.custom_id === id)!.response!.body;
  const part = (id: string): any => body(id).output[0].content[0];
  expect(part('1').text).toBe('{"unexpected":true}');
  expect(part('3')).toEqual({ type: 'refusal', refusal: expect.stringMatching(/sorry/) });
  expect(body('4')).toMatchObject({
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
  });
  expect(body('5').incomplete_details).toEqual({ reason: 'content_filter' });
  expect(JSON.parse(part('6').text)).toHaveProperty('label');

  const turns = ['user', 'assistant', 'user'].map((role) => ({ role, content: 'text' }));
  const feedback = await submit(client, [line('1', { ...response, input: turns })], terms);
  const [right] = await rowsOf(client, (await untilEnded(client, feedback.id)).output_file_id);
  expect(JSON.parse(right!.response!.body.output[0].content[0].text)).toHaveProperty('label');
});

import { describe, expect, it } from 'vitest';
import { answerRequest } from '../../src/answers/answer-request.ts';
import { BATCH_ENDPOINTS, BatchEndpoint } from '../../src/answers/batch-endpoint.ts';
import { embeddingVector } from '../../src/answers/embedding.ts';

const CONTEXT = { token: 't1', createdAt: 1_700_000_000 };

function answerOf(endpoint: BatchEndpoint, body: Record<string, unknown>): Record<string, any> {
  return answerRequest(endpoint, body, CONTEXT).body;
}

const REVIEW = { role: 'user', content: 'I hate it, terrible.' };

describe('answerRequest', () => {
  it('echoes the last user message of a chat', () => {
    const messages = [
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'well' },
      { role: 'user', content: [{ type: 'text', text: 'last\u2028one' }] },
    ];
    const answer = answerOf(BatchEndpoint.chatCompletions, { model: 'gpt-5-mini', messages });
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'gpt-5-mini-2025-08-07',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'last\u2028one' }, finish_reason: 'stop' },
      ],
    });
  });

  it('labels sentiment if the instructions contain it or the metadata asks for it', () => {
    const system = { role: 'system', content: 'Give the Sentiment of the review.' };
    const asked = { model: 'm', messages: [REVIEW], metadata: { emulator_answer: 'sentiment' } };
    const { chatCompletions, responses } = BatchEndpoint;
    expect(
      answerOf(chatCompletions, { model: 'm', messages: [system, REVIEW] })['choices'][0].message.content,
    ).toBe('negative');
    expect(answerOf(chatCompletions, asked)['choices'][0].message.content).toBe('negative');
    expect(
      answerOf(responses, { model: 'm', instructions: 'sentiment?', input: 'lovely' })['output'][0].content[0]
        .text,
    ).toBe('positive');
  });

  it('puts the label into the schema of a classification request', () => {
    const schema = {
      type: 'object',
      properties: { label: { type: 'string', enum: ['positive', 'negative', 'neutral'] } },
      required: ['label'],
    };
    const system = { role: 'developer', content: 'sentiment' };
    const chat = answerOf(BatchEndpoint.chatCompletions, {
      model: 'm',
      messages: [system, REVIEW],
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    });
    const response = answerOf(BatchEndpoint.responses, {
      model: 'm',
      input: [system, REVIEW],
      text: { format: { type: 'json_schema', name: 'x', schema } },
    });
    expect(chat['choices'][0].message.content).toBe('{"label":"negative"}');
    expect(response['output'][0].content[0].text).toBe('{"label":"negative"}');
  });

  it.each([
    ['text-embedding-3-small', undefined, 1536],
    ['text-embedding-ada-002', undefined, 1536],
    ['text-embedding-3-large', undefined, 3072],
    ['text-embedding-3-large', 256, 256],
  ])('embeds with %s and dimensions %s as a unit vector of %i', (model, dimensions, length) => {
    const answer = answerOf(BatchEndpoint.embeddings, { model, dimensions, input: ['one', 'two'] });
    const vector = answer['data'][1].embedding as number[];
    expect(answer['data']).toHaveLength(2);
    expect(vector).toHaveLength(length);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
  });

  it('returns the same vector as base64, and accepts tokens as input', () => {
    const base64 = answerOf(BatchEndpoint.embeddings, {
      model: 'text-embedding-3-small',
      input: [1, 2, 3],
      encoding_format: 'base64',
    });
    const bytes = Buffer.from(base64['data'][0].embedding as string, 'base64');
    const vector = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    expect([...vector]).toEqual([...embeddingVector('1 2 3', 1536)]);
    expect(base64['usage'].prompt_tokens).toBe(3);
  });

  it('places texts that share words nearer to each other', () => {
    const near = (a: string, b: string): number => {
      const [left, right] = [embeddingVector(a, 512), embeddingVector(b, 512)];
      return left.reduce((sum, value, i) => sum + value * (right[i] as number), 0);
    };
    expect(near('the red car', 'a red car')).toBeGreaterThan(near('the red car', 'boil two eggs') + 0.3);
  });

  it.each(BATCH_ENDPOINTS)('returns the same answer for %s twice, with counted tokens', (endpoint) => {
    const body = { model: 'm', messages: [REVIEW], input: 'some text', prompt: 'some text' };
    const answer = answerRequest(endpoint, body, CONTEXT);
    expect(answer).toEqual(answerRequest(endpoint, body, CONTEXT));
    expect(answer.inputTokens).toBeGreaterThan(0);
  });

  it('answers images with a PNG and moderations with every category', () => {
    const image = answerOf(BatchEndpoint.imageGenerations, { model: 'gpt-image-1', prompt: 'a dot', n: 2 });
    expect(image['data']).toHaveLength(2);
    expect(
      Buffer.from(image['data'][0].b64_json as string, 'base64')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    const moderation = answerOf(BatchEndpoint.moderations, {
      model: 'omni-moderation-latest',
      input: ['hello', 'you'],
    });
    expect(moderation['results']).toHaveLength(2);
    expect(moderation['results'][0]).toMatchObject({
      flagged: false,
      categories: { 'hate/threatening': false },
    });
  });
});

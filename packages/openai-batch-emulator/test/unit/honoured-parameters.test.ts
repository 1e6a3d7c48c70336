import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/answers/answer.ts';
import { answerRequest } from '../../src/answers/answer-request.ts';
import { BatchEndpoint } from '../../src/answers/batch-endpoint.ts';
import { PromptCache } from '../../src/answers/prompt-cache.ts';

const { chatCompletions, responses, completions } = BatchEndpoint;

function answerOf(endpoint: BatchEndpoint, body: JsonObject, cache?: PromptCache): Record<string, any> {
  const context = { token: 't', createdAt: 1, ...(cache ? { cache } : {}) };
  return answerRequest(endpoint, body, context).body;
}

const chat = (content: string, rest: object = {}): JsonObject => ({
  model: 'gpt-4o-mini',
  messages: [{ role: 'user', content }],
  ...rest,
});
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

describe('answers follow the parameters', () => {
  it('ends a chat before a stop sequence', () => {
    const [choice] = answerOf(chatCompletions, chat('one, two; three', { stop: [';', ','] }))['choices'];
    expect(choice).toMatchObject({ message: { content: 'one' }, finish_reason: 'stop' });
  });

  it.each(['max_tokens', 'max_completion_tokens'])(
    'ends a chat after %s, no character cut in two',
    (name) => {
      const answer = answerOf(chatCompletions, chat('abé€€€€€', { [name]: 2 }));
      expect(answer['choices'][0]).toMatchObject({ message: { content: 'abé€' }, finish_reason: 'length' });
      expect(answer['usage'].completion_tokens).toBe(2);
    },
  );

  it('ends a response after max_output_tokens, incomplete', () => {
    const input = 'many words '.repeat(20);
    expect(answerOf(responses, { model: 'gpt-5-mini', input, max_output_tokens: 16 })).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ status: 'incomplete', content: [{ text: input.slice(0, 64) }] }],
      usage: { output_tokens: 16 },
    });
  });

  it('returns n choices, and n completions of each prompt', () => {
    expect(answerOf(chatCompletions, chat('x', { n: 3 }))['choices']).toHaveLength(3);
    const answer = answerOf(completions, { model: 'm', prompt: ['a', 'b'], n: 2, max_tokens: 1 });
    expect(answer['choices'].map(({ text }: { text: string }) => text)).toEqual(['a', 'a', 'b', 'b']);
  });

  it.each([
    ['required', 'required', 'tool_calls'],
    ['by name', { type: 'function', function: { name: 'weather' } }, 'stop'],
  ])('calls a function that is %s', (_name, tool_choice, finish_reason) => {
    const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
    const [choice] = answerOf(chatCompletions, chat('Rome', { tools, tool_choice }))['choices'];
    expect(choice).toMatchObject({
      finish_reason,
      message: {
        content: null,
        tool_calls: [{ type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
      },
    });
    const flat = [{ type: 'function', name: 'weather', parameters }];
    const response = answerOf(responses, { model: 'm', input: 'Rome', tools: flat, tool_choice: 'required' });
    expect(response['output']).toMatchObject([
      { type: 'function_call', name: 'weather', arguments: '{"city":"Rome"}' },
    ]);
  });

  it('returns log probabilities that spell the answer', () => {
    const spelt = (tokens: { token: string }[]): string => tokens.map(({ token }) => token).join('');
    const asked = chat('a€𝄞 long text', { logprobs: true, top_logprobs: 2 });
    const { content } = answerOf(chatCompletions, asked)['choices'][0].logprobs;
    expect(spelt(content)).toBe('a€𝄞 long text');
    expect(content[0].top_logprobs).toHaveLength(2);
    const include = ['message.output_text.logprobs'];
    const [item] = answerOf(responses, { model: 'm', input: 'some text', include })['output'];
    expect(spelt(item.content[0].logprobs)).toBe('some text');
    const legacy = answerOf(completions, { model: 'm', prompt: 'some text', logprobs: 1 })['choices'][0];
    expect(legacy.logprobs.tokens.join('')).toBe('some text');
  });

  it('counts the part shared with an earlier long prompt as cached, and the rest as written from GPT-5.6 on', () => {
    const cache = new PromptCache();
    const shared = 'the same long instructions '.repeat(300);
    const details = (model: string, question: string): object => {
      const messages = [
        { role: 'system', content: shared },
        { role: 'user', content: question },
      ];
      return answerOf(chatCompletions, { model, messages }, cache)['usage'].prompt_tokens_details;
    };
    expect(details('gpt-5.6-sol', 'first')).toMatchObject({ cached_tokens: 0, cache_write_tokens: 1920 });
    expect(details('gpt-5.6-sol', 'then')).toMatchObject({ cached_tokens: 1920, cache_write_tokens: 0 });
    expect(details('gpt-5-mini', 'third')).toEqual({ cached_tokens: 1920, audio_tokens: 0 });
    const short = answerOf(responses, { model: 'gpt-6-astra', input: 'short' }, cache)['usage'];
    expect(short.input_tokens_details).toEqual({ cached_tokens: 0, cache_write_tokens: 0 });
  });
});

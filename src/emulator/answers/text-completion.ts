import { modelOf } from './answer.ts';
import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { inputTokens, tokensOfText } from './token-estimate.ts';

/** Answers the legacy /v1/completions: an echo of each prompt. */
export function textCompletion(body: JsonObject, context: AnswerContext): Answer {
  const prompt = body['prompt'];
  const prompts = Array.isArray(prompt) && typeof prompt[0] === 'string' ? (prompt as string[]) : [prompt];
  const texts = prompts.map((each) => (typeof each === 'string' ? each : 'echo of tokens'));
  const promptTokens = inputTokens(prompt);
  const completionTokens = texts.reduce((sum, text) => sum + tokensOfText(text), 0);
  return {
    inputTokens: promptTokens,
    outputTokens: completionTokens,
    body: {
      id: `cmpl-${context.token}`,
      object: 'text_completion',
      created: context.createdAt,
      model: modelOf(body, 'gpt-3.5-turbo-instruct'),
      choices: texts.map((text, index) => ({ text, index, logprobs: null, finish_reason: 'stop' })),
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
      },
    },
  };
}

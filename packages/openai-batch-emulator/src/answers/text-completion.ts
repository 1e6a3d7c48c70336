import { modelOf } from './answer.ts';
import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { truncateAnswer, tokenPieces } from './truncate-answer.ts';
import { inputTokens } from './token-estimate.ts';

/** The response of the legacy /v1/completions: each prompt is echoed `n` times. */
export function textCompletion(body: JsonObject, context: AnswerContext): Answer {
  const prompt = body['prompt'];
  const prompts = Array.isArray(prompt) && typeof prompt[0] === 'string' ? (prompt as string[]) : [prompt];
  const copies = typeof body['n'] === 'number' ? Math.max(1, body['n']) : 1;
  const answers = prompts
    .map((each) => (typeof each === 'string' ? each : 'echo of tokens'))
    .flatMap((text) => Array.from({ length: copies }, () => text))
    .map((text) => truncateAnswer(text, body['stop'], body['max_tokens']));
  const promptTokens = inputTokens(prompt);
  const completionTokens = answers.reduce((sum, { tokens }) => sum + tokens, 0);
  return {
    inputTokens: promptTokens,
    outputTokens: completionTokens,
    body: {
      id: `cmpl-${context.token}`,
      object: 'text_completion',
      created: context.createdAt,
      model: modelOf(body, 'gpt-3.5-turbo-instruct'),
      choices: answers.map(({ text, isTruncated }, index) => ({
        text,
        index,
        logprobs: typeof body['logprobs'] === 'number' ? logprobs(text, body['logprobs']) : null,
        finish_reason: isTruncated ? 'length' : 'stop',
      })),
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
      },
    },
  };
}

function logprobs(text: string, alternatives: number): JsonObject {
  const tokens = tokenPieces(text);
  const starts: number[] = [];
  let at = 0;
  for (const token of tokens) {
    starts.push(at);
    at += token.length;
  }
  return {
    tokens,
    token_logprobs: tokens.map(() => -0.01),
    top_logprobs: alternatives === 0 ? null : tokens.map((token) => ({ [token]: -0.01 })),
    text_offset: starts,
  };
}

import { modelOf } from './answer.ts';
import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { BatchEndpoint } from './batch-endpoint.ts';
import { modelSnapshot } from './model-snapshot.ts';
import { readMessages } from './request-text.ts';
import { standInText } from './stand-in-text.ts';
import { estimateInputTokens, tokensOfText } from './token-estimate.ts';

/** Answers /v1/chat/completions, with as many choices as `n` asks for. */
export function chatCompletion(body: JsonObject, context: AnswerContext): Answer {
  const content = standInText(body, readMessages(body['messages']), body['response_format']);
  const choices = typeof body['n'] === 'number' ? Math.max(1, body['n']) : 1;
  const inputTokens = estimateInputTokens(BatchEndpoint.chatCompletions, body);
  const outputTokens = tokensOfText(content) * choices;
  return {
    inputTokens,
    outputTokens,
    body: {
      id: `chatcmpl-${context.token}`,
      object: 'chat.completion',
      created: context.createdAt,
      model: modelSnapshot(modelOf(body, 'gpt-5-mini')),
      choices: Array.from({ length: choices }, (_, index) => ({
        index,
        message: { role: 'assistant', content, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      })),
      usage: {
        prompt_tokens: inputTokens,
        completion_tokens: outputTokens,
        total_tokens: inputTokens + outputTokens,
        prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
        completion_tokens_details: {
          reasoning_tokens: 0,
          audio_tokens: 0,
          accepted_prediction_tokens: 0,
          rejected_prediction_tokens: 0,
        },
      },
      service_tier: 'default',
      system_fingerprint: null,
    },
  };
}

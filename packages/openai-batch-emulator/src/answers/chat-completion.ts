import { modelOf } from './answer.ts';
import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { truncateAnswer, logprobsOf } from './truncate-answer.ts';
import type { TruncatedAnswer } from './truncate-answer.ts';
import { modelSnapshot } from './model-snapshot.ts';
import { cacheDetails, PromptCache } from './prompt-cache.ts';
import { requiredCall } from './required-call.ts';
import type { RequiredCall } from './required-call.ts';
import { readMessages } from './request-text.ts';
import { schemaValue } from './schema-value.ts';
import { standInText } from './stand-in-text.ts';
import { promptTokens } from './token-estimate.ts';

/** The response of /v1/chat/completions, with `n` choices. */
export function chatCompletion(body: JsonObject, context: AnswerContext): Answer {
  const prompt = readMessages(body['messages']);
  const model = modelOf(body, 'gpt-5-mini');
  const call = requiredCall(body);
  const maxTokens = body['max_completion_tokens'] ?? body['max_tokens'];
  const answer = call
    ? truncateAnswer(
        JSON.stringify(schemaValue(call.parameters, prompt.lastUser, undefined) ?? {}),
        null,
        maxTokens,
      )
    : truncateAnswer(standInText(body, prompt, body['response_format']), body['stop'], maxTokens);
  const choices = typeof body['n'] === 'number' ? Math.max(1, body['n']) : 1;
  const inputTokens = promptTokens(prompt);
  const outputTokens = answer.tokens * choices;
  const cached = (context.cache ?? new PromptCache()).use(model, prompt);
  return {
    inputTokens,
    outputTokens,
    cachedTokens: cached.cachedTokens,
    cacheWriteTokens: cached.writtenTokens ?? 0,
    body: {
      id: `chatcmpl-${context.token}`,
      object: 'chat.completion',
      created: context.createdAt,
      model: modelSnapshot(model),
      choices: Array.from({ length: choices }, (_, index) => ({
        index,
        message: messageOf(answer, call, `call_${context.token}${index === 0 ? '' : index}`),
        logprobs: choiceLogprobs(body, answer, call),
        finish_reason: finishReason(answer, call),
      })),
      usage: {
        prompt_tokens: inputTokens,
        completion_tokens: outputTokens,
        total_tokens: inputTokens + outputTokens,
        prompt_tokens_details: Object.assign(cacheDetails(cached), { audio_tokens: 0 }),
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

function messageOf(answer: TruncatedAnswer, call: RequiredCall | undefined, id: string): JsonObject {
  if (!call) return { role: 'assistant', content: answer.text, refusal: null, annotations: [] };
  const made = { id, type: 'function', function: { name: call.name, arguments: answer.text } };
  return { role: 'assistant', content: null, tool_calls: [made], refusal: null, annotations: [] };
}

function choiceLogprobs(body: JsonObject, answer: TruncatedAnswer, call: RequiredCall | undefined): unknown {
  if (body['logprobs'] !== true || call) return null;
  const alternatives = typeof body['top_logprobs'] === 'number' ? body['top_logprobs'] : 0;
  return { content: logprobsOf(answer.text, alternatives), refusal: null };
}

/** A function that the request named ends in `stop`: the model did not choose it. */
function finishReason(answer: TruncatedAnswer, call: RequiredCall | undefined): string {
  if (answer.isTruncated) return 'length';
  return call && !call.named ? 'tool_calls' : 'stop';
}

import { modelOf } from './answer.ts';
import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { truncateAnswer, logprobsOf } from './truncate-answer.ts';
import type { TruncatedAnswer } from './truncate-answer.ts';
import { modelSnapshot } from './model-snapshot.ts';
import { cacheDetails, PromptCache } from './prompt-cache.ts';
import { requiredCall } from './required-call.ts';
import { isObject, readResponsesInput } from './request-text.ts';
import { schemaValue } from './schema-value.ts';
import { standInText } from './stand-in-text.ts';
import { promptTokens } from './token-estimate.ts';

/** The response of /v1/responses. */
export function modelResponse(body: JsonObject, context: AnswerContext): Answer {
  const format = isObject(body['text']) ? body['text']['format'] : undefined;
  const prompt = readResponsesInput(body);
  const model = modelOf(body, 'gpt-5-mini');
  const call = requiredCall(body);
  const maxTokens = body['max_output_tokens'];
  const answer = call
    ? truncateAnswer(
        JSON.stringify(schemaValue(call.parameters, prompt.lastUser, undefined) ?? {}),
        null,
        maxTokens,
      )
    : truncateAnswer(standInText(body, prompt, format), null, maxTokens);
  const status = answer.isTruncated ? 'incomplete' : 'completed';
  const inputTokens = promptTokens(prompt);
  const outputTokens = answer.tokens;
  const cached = (context.cache ?? new PromptCache()).use(model, prompt);
  return {
    inputTokens,
    outputTokens,
    cachedTokens: cached.cachedTokens,
    cacheWriteTokens: cached.writtenTokens ?? 0,
    body: {
      id: `resp_${context.token}`,
      object: 'response',
      created_at: context.createdAt,
      status,
      background: false,
      error: null,
      incomplete_details: answer.isTruncated ? { reason: 'max_output_tokens' } : null,
      instructions: body['instructions'] ?? null,
      max_output_tokens: body['max_output_tokens'] ?? null,
      model: modelSnapshot(model),
      output: [
        call
          ? {
              id: `fc_${context.token}`,
              type: 'function_call',
              status,
              call_id: `call_${context.token}`,
              name: call.name,
              arguments: answer.text,
            }
          : {
              id: `msg_${context.token}`,
              type: 'message',
              status,
              role: 'assistant',
              content: [
                {
                  type: 'output_text',
                  annotations: [],
                  logprobs: textLogprobs(body, answer),
                  text: answer.text,
                },
              ],
            },
      ],
      parallel_tool_calls: true,
      previous_response_id: null,
      reasoning: { effort: null, summary: null },
      service_tier: 'default',
      store: true,
      temperature: body['temperature'] ?? 1,
      text: { format: format ?? { type: 'text' } },
      tool_choice: body['tool_choice'] ?? 'auto',
      tools: body['tools'] ?? [],
      top_p: body['top_p'] ?? 1,
      truncation: 'disabled',
      usage: {
        input_tokens: inputTokens,
        input_tokens_details: cacheDetails(cached),
        output_tokens: outputTokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: inputTokens + outputTokens,
      },
      user: null,
      metadata: body['metadata'] ?? {},
    },
  };
}

/** Empty unless the request includes `message.output_text.logprobs`. */
function textLogprobs(body: JsonObject, answer: TruncatedAnswer): JsonObject[] {
  const { include } = body;
  if (!Array.isArray(include) || !include.includes('message.output_text.logprobs')) return [];
  return logprobsOf(answer.text, typeof body['top_logprobs'] === 'number' ? body['top_logprobs'] : 0);
}

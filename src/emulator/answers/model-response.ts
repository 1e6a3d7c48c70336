import { modelOf } from './answer.ts';
import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { BatchEndpoint } from './batch-endpoint.ts';
import { modelSnapshot } from './model-snapshot.ts';
import { isObject, readResponsesInput } from './request-text.ts';
import { standInText } from './stand-in-text.ts';
import { estimateInputTokens, tokensOfText } from './token-estimate.ts';

/** Answers /v1/responses. */
export function modelResponse(body: JsonObject, context: AnswerContext): Answer {
  const format = isObject(body['text']) ? body['text']['format'] : undefined;
  const content = standInText(body, readResponsesInput(body), format);
  const inputTokens = estimateInputTokens(BatchEndpoint.responses, body);
  const outputTokens = tokensOfText(content);
  return {
    inputTokens,
    outputTokens,
    body: {
      id: `resp_${context.token}`,
      object: 'response',
      created_at: context.createdAt,
      status: 'completed',
      background: false,
      error: null,
      incomplete_details: null,
      instructions: body['instructions'] ?? null,
      max_output_tokens: body['max_output_tokens'] ?? null,
      model: modelSnapshot(modelOf(body, 'gpt-5-mini')),
      output: [
        {
          id: `msg_${context.token}`,
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', annotations: [], logprobs: [], text: content }],
        },
      ],
      parallel_tool_calls: true,
      previous_response_id: null,
      reasoning: { effort: null, summary: null },
      service_tier: 'default',
      store: true,
      temperature: body['temperature'] ?? 1,
      text: { format: format ?? { type: 'text' } },
      tool_choice: 'auto',
      tools: [],
      top_p: body['top_p'] ?? 1,
      truncation: 'disabled',
      usage: {
        input_tokens: inputTokens,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: outputTokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: inputTokens + outputTokens,
      },
      user: null,
      metadata: body['metadata'] ?? {},
    },
  };
}

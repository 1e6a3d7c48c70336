import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { BatchEndpoint } from './batch-endpoint.ts';
import { chatCompletion } from './chat-completion.ts';
import { embeddingList } from './embedding.ts';
import { imageList } from './image.ts';
import { moderation } from './moderation.ts';
import { modelResponse } from './model-response.ts';
import { textCompletion } from './text-completion.ts';

/** Returns the answer to one request. Its content depends only on the request: a retried line gets the same answer. */
export function answerRequest(endpoint: BatchEndpoint, body: JsonObject, context: AnswerContext): Answer {
  switch (endpoint) {
    case BatchEndpoint.chatCompletions:
      return chatCompletion(body, context);
    case BatchEndpoint.responses:
      return modelResponse(body, context);
    case BatchEndpoint.embeddings:
      return embeddingList(body);
    case BatchEndpoint.completions:
      return textCompletion(body, context);
    case BatchEndpoint.moderations:
      return moderation(body, context);
    case BatchEndpoint.imageGenerations:
    case BatchEndpoint.imageEdits:
      return imageList(body, context);
    default:
      return endpoint satisfies never;
  }
}
